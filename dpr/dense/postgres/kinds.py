"""The index types in PostgreSQL: every row, or pgvector's graph."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from dpr.dense.external import existing_record, recorded_name
from dpr.dense.external_type import ExternalIndexType, absent_table, check_stored_shape
from dpr.dense.index_type import SegmentContent, parameter
from dpr.errors import ConfigError
from dpr.types import FloatArray, Progress, RankArray, VectorIndex, no_progress

if TYPE_CHECKING:
    from dpr.dense.postgres.search import Table
    from dpr.dense.postgres.table import Graph

MOST_NUMBERS = 16_000
"""Numbers of a vector of pgvector."""

MOST_IN_GRAPH = 2_000
"""Numbers of a vector in its graph."""

MOST_NEIGHBOURS = 100
MOST_CANDIDATES = 1_000

ROW_BYTES = 24 + 4 + 8 + 8
"""Bytes of a row beside its vector and its texts: PostgreSQL's header and pointer, two numbers, the vector's header."""

KEY_BYTES = 20
"""Bytes of a row in the index of the primary key."""

NODE_BYTES = 100
"""Bytes of a node of the graph beside its vector and its neighbours."""

NEIGHBOUR_BYTES = 6

PAGE_BYTES = 8192
PAGE_SPACE = PAGE_BYTES - 32


@dataclass(frozen=True)
class Postgres(ExternalIndexType):
    """Every row of a table of PostgreSQL."""

    name = "postgres"
    summary = "compares every row of a table of PostgreSQL: exact"
    is_exact = True
    exact_name = "postgres"
    engine = "pgvector"

    def build_segment(self, content: SegmentContent, path: Path, progress: Progress = no_progress) -> None:
        """Load a table with the vectors and the fields of a segment, and name it in a file."""
        from dpr.dense.postgres.connection import database
        from dpr.dense.postgres.table import load

        self.check_dimension(content.vectors.shape[1])
        server = database()
        load(server, recorded_name(path, self.name, content.name), content, self._graph(), progress)

    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        """Find the table."""
        from dpr.dense.postgres.search import PostgresFlatIndex

        return PostgresFlatIndex(self.table(vectors, path), vectors, id_rank)

    def discard(self, table: str) -> None:
        """Drop a table, if the database has it."""
        from dpr.dense.postgres.connection import database
        from dpr.dense.postgres.table import drop

        database().run(lambda connection: drop(connection, table))

    def table(self, vectors: FloatArray, path: Path) -> Table:
        """Return the table that a file names, once it has all of the vectors; a replica may be some time behind."""
        from dpr.dense.postgres.connection import database
        from dpr.dense.postgres.search import Table
        from dpr.dense.postgres.table import describe, is_replica

        name, server = existing_record(path).table, database()
        deadline = time.monotonic() + server.timeout_s
        while (facts := server.run(lambda connection: describe(connection, name))) is None:
            if time.monotonic() > deadline or not server.run(is_replica):
                raise absent_table(name, self.noun)
            time.sleep(0.2)
        check_stored_shape((facts.vectors, facts.dimension), vectors, name, self.noun)
        return Table(server, name, facts)

    def check_reachable(self) -> None:
        """Connect to the database, and create pgvector's extension if it is absent."""
        from dpr.dense.postgres.connection import database, require_vectors

        database().run(require_vectors)

    def check_dimension(self, dimension: int) -> None:
        """Refuse vectors that are longer than pgvector's."""
        if dimension > MOST_NUMBERS:
            raise ConfigError(f"vectors of {dimension} numbers are too long for pgvector, which takes {MOST_NUMBERS}")

    def database_bytes(self, vectors: int, dimension: int) -> float:
        """Return the bytes of the rows and of their key."""
        return _paged(vectors, 4 * dimension + ROW_BYTES) + vectors * KEY_BYTES

    def memory_bytes(self, vectors: int, dimension: int) -> float:
        """Return the memory of the block that is sent; the server's own is not counted."""
        from dpr.dense.postgres.table import BLOCK_VECTORS

        return min(vectors, BLOCK_VECTORS) * dimension * 4 * 3

    def _graph(self) -> Graph | None:
        return None


@dataclass(frozen=True)
class PostgresHnsw(Postgres):
    """pgvector's HNSW graph over a table."""

    name = "postgres-hnsw"
    summary = "follows pgvector's graph in PostgreSQL"
    is_exact = False

    m: int = parameter(16, least=2, meaning="neighbours of a vector in the graph")
    ef_construction: int = parameter(128, least=4, meaning="candidates that an insertion keeps")
    ef_search: int = parameter(128, meaning="candidates that a search keeps")

    bounds: ClassVar[Mapping[str, int]] = {
        "m": MOST_NEIGHBOURS,
        "ef_construction": MOST_CANDIDATES,
        "ef_search": MOST_CANDIDATES,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ef_construction < 2 * self.m:
            raise ConfigError(
                f"ef_construction is {self.ef_construction}, but pgvector needs at least twice m, which is {self.m}"
            )

    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        """Find the table."""
        from dpr.dense.postgres.search import PostgresGraphIndex

        return PostgresGraphIndex(self.table(vectors, path), vectors, self.ef_search, id_rank)

    def check_dimension(self, dimension: int) -> None:
        """Refuse vectors that are longer than those of pgvector's graph."""
        if dimension > MOST_IN_GRAPH:
            raise ConfigError(
                f"vectors of {dimension} numbers are too long for pgvector's graph, which takes {MOST_IN_GRAPH}; use "
                f"{self.exact_name}, or a smaller --dimension"
            )

    def database_bytes(self, vectors: int, dimension: int) -> float:
        """Return the bytes of the rows and of the graph, which has each vector once more."""
        node = 4 * dimension + NODE_BYTES + NEIGHBOUR_BYTES * (2 * self.m + 1)
        return super().database_bytes(vectors, dimension) + _paged(vectors, node)

    def searches(self, vectors: int) -> Iterator[Iterable[Self]]:  # noqa: ARG002
        """Yield one series: twice as many candidates each time."""
        yield (replace(self, ef_search=candidates) for candidates in (16, 32, 64, 128, 256, 512, MOST_CANDIDATES))

    def _graph(self) -> Graph | None:
        from dpr.dense.postgres.table import Graph

        return Graph(self.m, self.ef_construction)


def _paged(rows: int, row_bytes: int) -> float:
    """Return the bytes of pages that hold rows whole; what is longer than a page is stored in pieces."""
    if row_bytes > PAGE_SPACE:
        return rows * row_bytes * PAGE_BYTES / PAGE_SPACE
    return math.ceil(rows / (PAGE_SPACE // row_bytes)) * PAGE_BYTES
