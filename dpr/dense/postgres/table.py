"""The table of a segment's vectors: how it is made, filled, described, compared and dropped.

    vector      number of the vector in its segment, from 0: the primary key
    passage     row of its passage in the segment; the windows of a long one share it
    embedding   the numbers
    f_…         id, title, document_id and the fields of the passage, one column each

A table is filled in blocks, each in a transaction, in the order of the vectors; so what is there is always the
beginning of the vectors, and a load that was cut off continues behind it. Its comment, written last, tells its content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dpr.dense.external_type import longest_vector
from dpr.dense.index_type import SegmentContent
from dpr.dense.postgres.conditions import SQL_TYPES, column_name
from dpr.dense.postgres.connection import Database, Vector, require_vectors
from dpr.dense.server import LOAD_PATIENCE_S
from dpr.errors import DataError
from dpr.types import FloatArray, Progress

BLOCK_VECTORS = 8192
"""Vectors of one transaction: 12 MiB of 384 numbers each."""

LARGEST_INLINE = 1900
"""Dimension up to which a vector stays in its row. PostgreSQL would move one above 2 kB out of it, which is slower."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a table that is loaded holds.

    Attributes:
        vectors: the number of vectors.
        dimension: the numbers of a vector.
        longest: the greatest length of a vector.
        types: the type of each field, by name.
    """

    vectors: int
    dimension: int
    longest: float
    types: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Graph:
    """The parameters of pgvector's HNSW index."""

    m: int
    ef_construction: int


def load(database: Database, name: str, content: SegmentContent, graph: Graph | None, progress: Progress) -> None:
    """Fill a table with a segment's vectors, or go on where it was left; do nothing if it is loaded.

    Every block is on the server's disk when it is counted. A server that is restarted meanwhile is waited for.

    Raises:
        StoreError: the database cannot be reached, or refuses.
        ConfigError: it lacks pgvector, and this user cannot create it.
        DataError: a text has a NUL character, which PostgreSQL cannot hold.
    """
    total = len(content.vectors)
    if database.run(lambda connection: describe(connection, name), LOAD_PATIENCE_S) is not None:
        return
    database.run(lambda connection: _create(connection, name, content), LOAD_PATIENCE_S)
    columns = [content.column(field) for field in content.types]
    loaded = -1
    while loaded < total:
        loaded = database.run(lambda connection: _copy_block(connection, name, content, columns), LOAD_PATIENCE_S)
        progress("dense", loaded, total)
    facts = TableFacts(total, content.vectors.shape[1], longest_vector(content.vectors), content.types)
    database.run(lambda connection: _finish(connection, name, graph, facts), LOAD_PATIENCE_S)


def describe(connection: Any, name: str) -> TableFacts | None:
    """Return what a table holds; None if there is none of that name, or it is not loaded to its end."""
    row = connection.execute("SELECT obj_description(to_regclass(%s)::oid, 'pg_class')", [name]).fetchone()
    if row is None or row[0] is None:
        return None
    return TableFacts(**json.loads(row[0]))


def is_replica(connection: Any) -> bool:
    """Tell whether a server follows another one, and so may not have the latest tables yet."""
    return bool(connection.execute("SELECT pg_is_in_recovery()").fetchone()[0])


def drop(connection: Any, name: str) -> None:
    """Drop a table if there is one."""
    from psycopg import sql

    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))


def stored_vectors(connection: Any, name: str, start: int, end: int) -> FloatArray:
    """Return the vectors of a table from number ``start`` to before ``end``, in their order, (n, D)."""
    from psycopg import sql

    query = sql.SQL("SELECT embedding FROM {} WHERE vector >= %s AND vector < %s ORDER BY vector")
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(query.format(sql.Identifier(name)), [start, end]).fetchall()
    if not rows:
        return np.empty((0, 0), dtype=np.float32)
    vectors: FloatArray = np.stack([np.frombuffer(row[0], dtype=">f4", offset=4) for row in rows]).astype(np.float32)
    return vectors


def packed(vector: FloatArray) -> Vector:
    """Return a vector (D,) as it is sent."""
    return Vector(len(vector).to_bytes(2, "big") + b"\0\0" + vector.astype(">f4").tobytes())


def _create(connection: Any, name: str, content: SegmentContent) -> None:
    from psycopg import sql

    require_vectors(connection)
    columns = [
        sql.SQL("{} {} {}").format(
            sql.Identifier(column_name(field)),
            sql.SQL(SQL_TYPES[type_name]),
            sql.SQL('COLLATE "C"' if "text" in SQL_TYPES[type_name] else ""),
        )
        for field, type_name in content.types.items()
    ]
    dimension = content.vectors.shape[1]
    table = sql.Identifier(name)
    own = "CREATE TABLE IF NOT EXISTS {} (vector int4 PRIMARY KEY, passage int4 NOT NULL, embedding vector({}) NOT NULL"
    head = sql.SQL(own).format(table, sql.Literal(dimension))
    with _exclusive(connection, name):
        connection.execute(head + sql.SQL("").join([sql.SQL(", ") + column for column in columns]) + sql.SQL(")"))
        if dimension <= LARGEST_INLINE:
            connection.execute(sql.SQL("ALTER TABLE {} ALTER COLUMN embedding SET STORAGE PLAIN").format(table))


@contextmanager
def _exclusive(connection: Any, name: str) -> Iterator[None]:
    """Open a transaction without a time limit, once no other process loads the same table."""
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        yield


def _copy_block(connection: Any, name: str, content: SegmentContent, columns: list[Any]) -> int:
    """Add the next block in a transaction; return how many vectors the table has then."""
    from psycopg import sql

    total = len(content.vectors)
    with _exclusive(connection, name):
        table = sql.Identifier(name)
        count = sql.SQL("SELECT coalesce(max(vector) + 1, 0) FROM {}").format(table)
        start = int(connection.execute(count).fetchone()[0])
        end = min(total, start + BLOCK_VECTORS)
        rows = np.arange(start, end) if content.windows is None else np.asarray(content.windows[start:end, 0])
        types = [SQL_TYPES[type_name] for type_name in content.types.values()]
        names = [sql.Identifier(column_name(field)) for field in content.types]
        copying = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            table, sql.SQL(", ").join([sql.SQL("vector"), sql.SQL("passage"), sql.SQL("embedding"), *names])
        )
        values = [column.take(rows).to_pylist() for column in columns]
        _refuse_nul(content, values)
        with connection.cursor() as cursor, cursor.copy(copying) as copy:
            copy.set_types(["int4", "int4", "vector", *types])
            vectors = np.asarray(content.vectors[start:end])
            for number, row in enumerate(rows.tolist()):
                copy.write_row((start + number, row, packed(vectors[number]), *(column[number] for column in values)))
    return end


def _refuse_nul(content: SegmentContent, values: list[list[Any]]) -> None:
    for field, column in zip(content.types, values, strict=True):
        for value in column:
            texts = value if isinstance(value, list) else [value]
            if any(isinstance(text, str) and "\0" in text for text in texts):
                raise DataError(
                    f"the field {field!r} of a passage has a NUL character ({value!r:.60}), which PostgreSQL cannot "
                    "hold; remove it, or use another index type"
                )


def _finish(connection: Any, name: str, graph: Graph | None, facts: TableFacts) -> None:
    """Build the graph, gather statistics for the planner, and write down what the table holds."""
    from psycopg import sql

    table = sql.Identifier(name)
    with _exclusive(connection, name):
        if graph is not None:
            connection.execute(
                sql.SQL(
                    "CREATE INDEX IF NOT EXISTS {} ON {} USING hnsw (embedding vector_ip_ops) "
                    "WITH (m = {}, ef_construction = {})"
                ).format(
                    sql.Identifier(f"{name}_hnsw"), table, sql.Literal(graph.m), sql.Literal(graph.ef_construction)
                )
            )
        connection.execute(sql.SQL("ANALYZE {}").format(table))
        comment = json.dumps(asdict(facts), ensure_ascii=True)
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(table, sql.Literal(comment)))
