"""Search in a collection: exact, or along Milvus's graph. The database proposes rows, their vectors give the scores.

A collection has the rows of deleted passages too, as older generations are searched in it: they are proposed, and
dropped here.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np

from dpr.dense.approximate import ApproximateIndex
from dpr.dense.external_type import absent_table, other_rows, sum_error
from dpr.dense.faiss_index import MARGIN, FlatIndex
from dpr.dense.milvus.collection import CollectionFacts, run_loaded, stored_vectors
from dpr.dense.milvus.conditions import expression_of
from dpr.dense.milvus.connection import Database
from dpr.dense.milvus.kinds import MOST_CANDIDATES
from dpr.dense.selection import Selection
from dpr.dense.server import AbsentTableError
from dpr.filters import Filter
from dpr.types import FloatArray, IntArray, RankArray, TopK, VectorIndex

MOST_ROWS = 16_384
"""Rows that Milvus returns for a question; of more, the best are found in the vectors file."""

ROWS_AT_A_TIME = 1_000_000
"""Rows of one answer for several questions."""

STALE_S = 10.0
"""Seconds after which the rows that were counted are seen without waiting. Milvus's own (``gracefulTime``) are 5."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A loaded collection of a database.

    Attributes:
        longest: the greatest length of its vectors.
        opened_s: when its rows were counted, as ``time.monotonic`` says.
    """

    database: Database
    name: str
    facts: CollectionFacts
    longest: float
    opened_s: float = field(default_factory=time.monotonic)

    def stored(self, start: int, end: int) -> FloatArray:
        """Return its vectors from number ``start`` to before ``end``, in their order, (n, D)."""
        return stored_vectors(self.database, self.name, self.facts.dimension, start, end)

    def nearest(self, questions: FloatArray, width: int, expression: str, candidates: int | None = None) -> IntArray:
        """Return the numbers of the nearest vectors to each question (Q, D), best first, -1 after the last, (Q, width).

        Args:
            questions: the question vectors.
            width: the most rows, at most `MOST_ROWS`.
            expression: what the rows must fulfil; empty: nothing.
            candidates: those of a search along the graph.
        """
        # what was counted is there; only a replica that is behind may not see it for a moment
        level = "Strong" if time.monotonic() < self.opened_s + STALE_S else "Bounded"
        parameters = {"metric_type": "IP", "params": {} if candidates is None else {"ef": candidates}}
        search = {
            "filter": expression,
            "limit": width,
            "output_fields": ["vector"],
            "search_params": parameters,
            "anns_field": "embedding",
            "consistency_level": level,
            "timeout": self.database.timeout_s,
        }
        padded: IntArray = np.full((len(questions), width), -1, dtype=np.int64)
        at_a_time = max(1, ROWS_AT_A_TIME // width)
        for start in range(0, len(questions), at_a_time):
            batch = list(questions[start : start + at_a_time])
            try:
                answers = run_loaded(
                    self.database,
                    self.name,
                    lambda client, batch=batch: client.search(self.name, data=batch, **search),  # type: ignore[misc]
                )
            except AbsentTableError:
                raise absent_table(self.name, "collection") from None
            for number, answer in enumerate(answers, start):
                padded[number, : len(answer.ids)] = answer.ids
        return padded


class MilvusFlatIndex(FlatIndex):
    """Exact search: the database compares every row that the filter keeps."""

    def __init__(
        self, collection: Collection, vectors: FloatArray, id_rank: RankArray | None = None, expression: str = ""
    ) -> None:
        """Search a collection of vectors (V, D); ``id_rank`` (V,) orders equal scores.

        Those whose rank is not negative are searched; ``expression`` keeps them, and may keep others.

        Raises:
            IndexFormatError: there is not one id rank for each vector.
        """
        super().__init__(vectors, id_rank)
        self._collection = collection
        self._expression = expression
        self._selection = Selection.of_ranks(np.arange(len(vectors)) if id_rank is None else id_rank)
        self._selected = self._selection.count

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> FlatIndex:
        """Return the search over the rows whose rank is not negative, (V,); the database tests the condition."""
        expression = _expression(self._collection, condition)
        if expression is None:
            return FlatIndex(self._vectors).selecting(id_rank)
        return MilvusFlatIndex(self._collection, self._vectors, id_rank, expression)

    @property
    def _searched(self) -> int:
        return len(self._vectors)

    def _propose(self, questions: FloatArray, width: int) -> IntArray:
        if width > MOST_ROWS:
            return super()._propose(questions, width)
        return self._collection.nearest(questions, width, self._expression)

    def _settle(self, question: FloatArray, candidates: IntArray, k: int, top: TopK, number: int) -> bool:
        rows = candidates[candidates >= 0]
        is_settled = super()._settle(question, rows, k, top, number)
        ranks = self._ordering.id_rank
        found = len(rows) if ranks is None else int((ranks[rows] >= 0).sum())
        if found == self._selected:
            return True
        if len(rows) < len(candidates):  # the database has no more
            raise other_rows(self._collection.name, "collection")
        return is_settled

    def _error_bound(self, question: FloatArray, scores: FloatArray) -> float:  # noqa: ARG002
        return sum_error(question, self._collection.longest)


class MilvusGraphIndex(ApproximateIndex):
    """Approximate search along Milvus's HNSW graph."""

    def __init__(
        self, collection: Collection, vectors: FloatArray, ef_search: int, id_rank: RankArray | None = None
    ) -> None:
        """Search a collection of vectors (V, D) that has a graph.

        Args:
            collection: the collection.
            vectors: the vectors file.
            ef_search: the number of candidates of a search; at least k.
            id_rank: the rank of each passage's id among the sorted ids, (V,); the row itself without it.

        Raises:
            IndexFormatError: there is not one id rank for each vector.
        """
        super().__init__(vectors, id_rank)
        self._collection = collection
        self._ef_search = ef_search
        self._expression = ""
        self._rows_for_each = len(vectors) / max(1, self._alive_count)  # so many are proposed for one not deleted

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> VectorIndex:
        """Return the search over the rows whose rank is not negative, (V,).

        Few rows are compared here; of more, the database tests the condition, or all are compared here where it cannot.
        """
        selection = super().selecting(id_rank)
        if not isinstance(selection, MilvusGraphIndex):
            return selection
        expression = _expression(self._collection, condition)
        if expression is None:
            return FlatIndex(self._vectors).selecting(id_rank)
        selection._expression = expression  # noqa: SLF001 - of this class
        return selection

    def _propose(self, questions: FloatArray, k: int, effort: int) -> IntArray:
        wanted = k if self._rows_for_each == 1 else math.ceil(k * self._rows_for_each) + MARGIN
        width = min(effort * wanted, len(self._vectors), MOST_ROWS)
        candidates = min(effort * max(self._ef_search, wanted), MOST_CANDIDATES)
        return self._collection.nearest(questions, width, self._expression, max(candidates, width))

    def _search_all(self, questions: FloatArray, indexes: IntArray, k: int, top: TopK) -> None:
        ranks = np.arange(len(self._vectors)) if self._ordering.id_rank is None else self._ordering.id_rank
        best = FlatIndex(self._vectors).selecting(ranks).search(questions[indexes], k)
        top.rows[indexes], top.scores[indexes] = best.rows, best.scores


def _expression(collection: Collection, condition: Filter | None) -> str | None:
    return None if condition is None else expression_of(condition, collection.facts.columns)
