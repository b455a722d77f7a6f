"""Search in a table: exact, or along pgvector's graph. The database proposes rows, their vectors give the scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dpr.dense.approximate import ApproximateIndex
from dpr.dense.external_type import absent_table, other_rows, sum_error
from dpr.dense.faiss_index import FlatIndex
from dpr.dense.postgres.conditions import condition_sql
from dpr.dense.postgres.connection import Database
from dpr.dense.postgres.table import TableFacts, packed, stored_vectors
from dpr.dense.server import AbsentTableError
from dpr.filters import Filter
from dpr.types import BoolArray, FloatArray, IntArray, RankArray, TopK

FEW_ROWS = 1000
"""Most row numbers that a query lists; of more, it has a bit for each row of the table."""

WIDEST_SEARCH = 1000
"""Most candidates of pgvector's graph (``hnsw.ef_search``); it goes on from there by itself."""

SCANNED = 20_000
"""Rows of the graph that a search looks at before it gives up (``hnsw.max_scan_tuples``), at an effort of 1."""


@dataclass(frozen=True, slots=True)
class Table:
    """A loaded table of a database."""

    database: Database
    name: str
    facts: TableFacts

    def stored(self, start: int, end: int) -> FloatArray:
        """Return its vectors from number ``start`` to before ``end``, in their order, (n, D)."""
        return self.database.run(lambda connection: stored_vectors(connection, self.name, start, end))

    def nearest(
        self, questions: FloatArray, width: int, rows: Rows, settings: dict[str, str] | None = None
    ) -> list[IntArray]:
        """Return the numbers of the nearest vectors to each question (Q, D), at most ``width`` of them, best first.

        With ``settings``, parameters of the server for this search, it follows the graph; without, it is exact.
        """
        from psycopg import sql

        where, parameters = rows.where
        # an expression that the graph does not have is compared for every row
        order = sql.SQL("embedding <#> %s" if settings else "(embedding <#> %s) + 0")
        text = "SELECT vector FROM {}{} ORDER BY {} LIMIT %s"
        query = sql.SQL(text).format(sql.Identifier(self.name), where, order)

        def ask(connection: Any) -> list[IntArray]:
            _set(connection, settings or {})
            answers = []
            for question in questions:
                values = [*parameters, packed(question), width]
                cursor = connection.execute(query, values, prepare=True, binary=True)
                answers.append(np.array([row[0] for row in cursor.fetchall()], dtype=np.int64))
            return answers

        try:
            return self.database.run(ask)
        except AbsentTableError:
            raise absent_table(self.name, "table") from None


def _set(connection: Any, settings: dict[str, str]) -> None:
    """Set parameters of the server for a connection, those alone that differ from its last search."""
    before: dict[str, str] = getattr(connection, "dpr_settings", {})
    for name, value in settings.items():
        if before.get(name) != value:
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    connection.dpr_settings = {**before, **settings}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a search: a condition, and some rows that are left out.

    Attributes:
        count: the number of rows.
        where: SQL, with its parameters.
    """

    count: int
    where: tuple[Any, list[Any]] = field(compare=False)

    @classmethod
    def of_ranks(cls, id_rank: RankArray | None, vectors: int) -> Rows:
        """Return the rows whose rank is not negative; all of them without ranks."""
        from psycopg import sql

        is_selected = np.ones(vectors, dtype=bool) if id_rank is None else id_rank >= 0
        count = int(is_selected.sum())
        if count == vectors:
            return cls(count, (sql.SQL(""), []))
        text, values = _selects(is_selected)
        return cls(count, (sql.SQL(" WHERE ") + text, values))

    @classmethod
    def of_condition(cls, condition: Filter, facts: TableFacts, id_rank: RankArray, is_alive: BoolArray) -> Rows:
        """Return the rows that a filter keeps, which have the ranks, without the deleted ones."""
        from psycopg import sql

        text, values = condition_sql(condition, facts.types)
        if not is_alive.all():
            alive_text, alive_values = _selects(is_alive)
            text, values = sql.SQL("{} AND {}").format(text, alive_text), [*values, *alive_values]
        return cls(int((id_rank >= 0).sum()), (sql.SQL(" WHERE ") + text, values))


def _selects(is_selected: BoolArray) -> tuple[Any, list[Any]]:
    """Return the test of some rows, (V,), in SQL."""
    from psycopg import sql

    rows = np.flatnonzero(is_selected)
    if len(rows) <= FEW_ROWS:
        return sql.SQL("vector = ANY(%s::int4[])"), [rows.tolist()]
    excluded = np.flatnonzero(~is_selected)
    if len(excluded) <= FEW_ROWS:
        return sql.SQL("vector <> ALL(%s::int4[])"), [excluded.tolist()]
    return sql.SQL("get_bit(%s::bytea, vector) = 1"), [np.packbits(is_selected, bitorder="little").tobytes()]


class PostgresFlatIndex(FlatIndex):
    """Exact search: the database compares every row that the filter keeps."""

    def __init__(
        self, table: Table, vectors: FloatArray, id_rank: RankArray | None = None, rows: Rows | None = None
    ) -> None:
        """Search a table of vectors (V, D); ``id_rank`` (V,) orders equal scores.

        ``rows`` are those that are searched, None: those whose rank is not negative.

        Raises:
            IndexFormatError: there is not one id rank for each vector.
        """
        super().__init__(vectors, id_rank)
        self._table = table
        self._rows = rows or Rows.of_ranks(id_rank, len(vectors))

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> PostgresFlatIndex:
        """Return the search over the rows whose rank is not negative, (V,); the database tests the condition."""
        rows = _selected(self._table.facts, id_rank, condition, self._ordering.id_rank)
        return PostgresFlatIndex(self._table, self._vectors, id_rank, rows)

    @property
    def _searched(self) -> int:
        return self._rows.count

    def _propose(self, questions: FloatArray, width: int) -> IntArray:
        rows = self._table.nearest(questions, width, self._rows)
        if any(len(of_question) != width for of_question in rows):
            raise other_rows(self._table.name, "table")
        return np.stack(rows)

    def _error_bound(self, question: FloatArray, scores: FloatArray) -> float:  # noqa: ARG002
        return sum_error(question, self._table.facts.longest)


class PostgresGraphIndex(ApproximateIndex):
    """Approximate search along pgvector's HNSW graph."""

    def __init__(
        self,
        table: Table,
        vectors: FloatArray,
        ef_search: int,
        id_rank: RankArray | None = None,
        rows: Rows | None = None,
    ) -> None:
        """Search a table of vectors (V, D) that has a graph.

        Args:
            table: the table.
            vectors: the vectors file.
            ef_search: the number of candidates of a search; at least k.
            id_rank: the rank of each passage's id among the sorted ids, (V,); the row itself without it.
            rows: those that are searched; None: those whose rank is not negative.

        Raises:
            IndexFormatError: there is not one id rank for each vector.
        """
        super().__init__(vectors, id_rank)
        self._table = table
        self._ef_search = ef_search
        self._rows = rows or Rows.of_ranks(id_rank, len(vectors))

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> PostgresGraphIndex:
        """Return the search over the rows whose rank is not negative, (V,); the database tests the condition."""
        rows = _selected(self._table.facts, id_rank, condition, self._ordering.id_rank)
        return PostgresGraphIndex(self._table, self._vectors, self._ef_search, id_rank, rows)

    def _propose(self, questions: FloatArray, k: int, effort: int) -> IntArray:
        width = min(k, len(self._vectors))
        settings = {
            "hnsw.ef_search": str(min(effort * max(self._ef_search, width), WIDEST_SEARCH)),
            "hnsw.iterative_scan": "relaxed_order",
            "hnsw.max_scan_tuples": str(effort * SCANNED),
        }
        rows = self._table.nearest(questions, width, self._rows, settings)
        padded: IntArray = np.full((len(questions), width), -1, dtype=np.int64)
        for number, of_question in enumerate(rows):
            padded[number, : len(of_question)] = of_question
        return padded

    def _search_all(self, questions: FloatArray, indexes: IntArray, k: int, top: TopK) -> None:
        exact = PostgresFlatIndex(self._table, self._vectors, self._ordering.id_rank, self._rows)
        best = exact.search(questions[indexes], k)
        top.rows[indexes], top.scores[indexes] = best.rows, best.scores


def _selected(facts: TableFacts, id_rank: RankArray, condition: Filter | None, before: RankArray | None) -> Rows:
    if condition is None:
        return Rows.of_ranks(id_rank, facts.vectors)
    is_alive = np.ones(facts.vectors, dtype=bool) if before is None else before >= 0
    return Rows.of_condition(condition, facts, id_rank, is_alive)
