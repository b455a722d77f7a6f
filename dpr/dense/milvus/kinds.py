"""The index types in Milvus: every row, or Milvus's graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from dpr.dense.external import existing_record, recorded_name
from dpr.dense.external_type import RECORD_BYTES, ExternalIndexType, absent_table, check_stored_shape, longest_vector
from dpr.dense.index_type import SegmentContent, parameter
from dpr.errors import ConfigError
from dpr.types import FloatArray, Progress, RankArray, VectorIndex, no_progress

if TYPE_CHECKING:
    from dpr.dense.milvus.collection import SearchIndex
    from dpr.dense.milvus.search import Collection

LEAST_NUMBERS, MOST_NUMBERS = 2, 32_768
"""Numbers of a vector of Milvus."""

MOST_NEIGHBOURS = 2_048
MOST_CANDIDATES = 32_768

ROW_BYTES = 16
"""Bytes of a row beside its vector and its fields."""


@dataclass(frozen=True)
class Milvus(ExternalIndexType):
    """Every row of a collection of Milvus."""

    name = "milvus"
    summary = "compares every row of a collection of Milvus: exact"
    is_exact = True
    exact_name = "milvus"
    noun = "collection"
    engine = "Milvus"

    def build_segment(self, content: SegmentContent, path: Path, progress: Progress = no_progress) -> None:
        """Load a collection with the vectors and the fields of a segment, and name it in a file."""
        from dpr.dense.milvus.collection import load
        from dpr.dense.milvus.connection import database

        self.check_dimension(content.vectors.shape[1])
        server = database()
        name = recorded_name(path, self.name, content.name, longest_vector(content.vectors))
        load(server, name, content, self._index(), progress)

    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        """Find the collection."""
        from dpr.dense.milvus.search import MilvusFlatIndex

        return MilvusFlatIndex(self.table(vectors, path), vectors, id_rank)

    def discard(self, table: str) -> None:
        """Drop a collection, if the database has it."""
        from dpr.dense.milvus.collection import drop
        from dpr.dense.milvus.connection import database

        database().run(lambda client: drop(client, table))

    def table(self, vectors: FloatArray, path: Path) -> Collection:
        """Return the collection that a file names."""
        from dpr.dense.milvus.collection import describe
        from dpr.dense.milvus.connection import database
        from dpr.dense.milvus.search import Collection

        record, server = existing_record(path), database()
        facts = describe(server, record.table)
        if facts is None or facts.vectors < len(vectors):
            raise absent_table(record.table, self.noun)
        check_stored_shape((facts.vectors, facts.dimension), vectors, record.table, self.noun)
        longest = longest_vector(vectors) if record.longest is None else record.longest
        return Collection(server, record.table, facts, longest)

    def check_reachable(self) -> None:
        """Connect to the database, and refuse one that is too old."""
        from dpr.dense.milvus.connection import database, require_version

        database().run(require_version)

    def check_dimension(self, dimension: int) -> None:
        """Refuse vectors that Milvus cannot hold."""
        if not LEAST_NUMBERS <= dimension <= MOST_NUMBERS:
            raise ConfigError(
                f"Milvus cannot hold vectors of {dimension} numbers, only of {LEAST_NUMBERS} to {MOST_NUMBERS}; use "
                "another index type"
            )

    def disk_bytes(self, vectors: int, dimension: int) -> float:  # noqa: ARG002
        """Return the size of the file that names the collection, and tells the length of the longest vector."""
        return RECORD_BYTES + 30

    def database_bytes(self, vectors: int, dimension: int) -> float:
        """Return the bytes of the rows, and of the index, which has each vector once more."""
        return vectors * (8 * dimension + ROW_BYTES)

    def memory_bytes(self, vectors: int, dimension: int) -> float:
        """Return the memory of the rows that are sent; the server's own is not counted."""
        from dpr.dense.milvus.collection import BLOCK_BYTES

        return min(vectors * dimension * 4, BLOCK_BYTES) * 3

    def _index(self) -> SearchIndex:
        from dpr.dense.milvus.collection import SearchIndex

        return SearchIndex("FLAT", {})


@dataclass(frozen=True)
class MilvusHnsw(Milvus):
    """Milvus's HNSW graph over a collection."""

    name = "milvus-hnsw"
    summary = "follows Milvus's graph"
    is_exact = False

    m: int = parameter(16, least=2, meaning="neighbours of a vector in the graph")
    ef_construction: int = parameter(128, meaning="candidates that an insertion keeps")
    ef_search: int = parameter(128, meaning="candidates that a search keeps")

    bounds: ClassVar[Mapping[str, int]] = {"m": MOST_NEIGHBOURS, "ef_search": MOST_CANDIDATES}

    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        """Find the collection."""
        from dpr.dense.milvus.search import MilvusGraphIndex

        return MilvusGraphIndex(self.table(vectors, path), vectors, self.ef_search, id_rank)

    def database_bytes(self, vectors: int, dimension: int) -> float:
        """Return the bytes of the rows and of the graph: 2 m neighbours on the lowest layer, m on each other."""
        return super().database_bytes(vectors, dimension) + vectors * 4 * (2 * self.m + self.m / (self.m - 1))

    def searches(self, vectors: int) -> Iterator[Iterable[Self]]:  # noqa: ARG002
        """Yield one series: twice as many candidates each time."""
        yield (replace(self, ef_search=2**power) for power in range(4, 12))

    def _index(self) -> SearchIndex:
        from dpr.dense.milvus.collection import SearchIndex

        return SearchIndex("HNSW", {"M": self.m, "efConstruction": self.ef_construction})
