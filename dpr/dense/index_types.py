"""The index types by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from dpr.dense.index_type import BuildSpeed, IndexType, parameter
from dpr.dense.milvus.kinds import Milvus, MilvusHnsw
from dpr.dense.postgres.kinds import Postgres, PostgresHnsw
from dpr.errors import ConfigError
from dpr.types import FloatArray, RankArray, VectorIndex

# FAISS is imported where an index is built or opened: help and checks of options need only the facts.


@dataclass(frozen=True)
class Flat(IndexType):
    """Compares every vector."""

    name = "flat"
    summary = "compares every vector: exact"
    is_exact = True
    reads_all_vectors = True

    def build(self, vectors: FloatArray, path: Path) -> None:
        """Write nothing: the vectors themselves are searched."""

    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:  # noqa: ARG002
        """Return the exact search."""
        from dpr.dense.faiss_index import FlatIndex

        return FlatIndex(vectors, id_rank)

    def disk_bytes(self, vectors: int, dimension: int) -> float:  # noqa: ARG002
        """Return 0."""
        return 0.0

    def memory_bytes(self, vectors: int, dimension: int) -> float:  # noqa: ARG002
        """Return 0."""
        return 0.0


CACHED_GRAPH = 100_000
"""Number of vectors above which a graph does not fit the cache: a step then takes longer by `GRAPH_POWER`."""

GRAPH_POWER = 0.23


@dataclass(frozen=True)
class Hnsw(IndexType):
    """Follows a graph of near vectors; keeps its graph and all vectors in memory."""

    name = "hnsw"
    summary = "follows a graph: the fastest search, the slowest build"
    is_auto_candidate = True
    reads_all_vectors = True

    m: int = parameter(32, least=2, meaning="neighbours of a vector in the graph")
    ef_construction: int = parameter(200, meaning="candidates that an insertion keeps")
    ef_search: int = parameter(128, meaning="candidates that a search keeps")

    def build(self, vectors: FloatArray, path: Path) -> None:
        """Write the graph."""
        from dpr.dense.faiss_index import write_graph

        write_graph(vectors, path, self.m, self.ef_construction)

    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        """Map the graph."""
        from dpr.dense.faiss_index import HNSWIndex

        return HNSWIndex.open(vectors, path, self.ef_search, id_rank)

    def disk_bytes(self, vectors: int, dimension: int) -> float:  # noqa: ARG002
        """Return the bytes of the graph: 2 m neighbours on the lowest layer, m on each of the others."""
        return vectors * (4 * (2 * self.m + self.m / (self.m - 1)) + 12)

    def memory_bytes(self, vectors: int, dimension: int) -> float:
        """Return the memory of the graph and of the copy of the vectors that FAISS holds."""
        return vectors * dimension * 4 + self.disk_bytes(vectors, dimension)

    def build_seconds(self, vectors: int, dimension: int, speed: BuildSpeed) -> float:
        """Return the seconds of all insertions: the steps of each grow with the logarithm of the graph."""
        steps = math.log(max(2, vectors)) / math.log(speed.trial_vectors)
        waiting = math.pow(max(1.0, vectors / CACHED_GRAPH), GRAPH_POWER)
        return super().build_seconds(vectors, dimension, speed) * steps * waiting

    def searches(self, vectors: int) -> Iterator[Iterable[Self]]:  # noqa: ARG002
        """Yield one series: twice as many candidates each time."""
        yield (replace(self, ef_search=2**power) for power in range(4, 12))


TRAINING_PER_LIST = 64
"""Vectors for each list to learn its centre from."""

LEAST_TRAINING = 65536
"""Most vectors to learn codes from."""

TRAINING_ROUNDS = 10

LEAST_FOR_PRODUCTS = 1000
"""Number of vectors below which 8-bit codes replace product codes, which need more vectors to learn from."""

PART_NUMBERS = 4
"""Dimensions of one part of a product code, where D allows it."""


@dataclass(frozen=True)
class InvertedFile(IndexType):
    """Reads short codes of the vectors in the lists whose centres are nearest to a question."""

    code: ClassVar[str]
    """FAISS's name of the codes."""

    number_bytes: ClassVar[float]
    """Bytes of a code for each number of a vector."""

    rerank_steps: ClassVar[tuple[int, ...]] = (1,)
    """Factors of ``rerank`` to try for a target recall."""

    nlist: int = parameter(0, least=0, meaning="lists; 0: four times the root of the number of vectors")
    nprobe: int = parameter(32, meaning="lists that a search reads; more under a filter")
    rerank: int = parameter(50, meaning="rows that the codes propose, and their vectors order")

    def build(self, vectors: FloatArray, path: Path) -> None:
        """Learn lists and codes, and write the lists."""
        from dpr.dense.ivf import Training, write_ivf

        lists = self.lists(len(vectors))
        sample = max(TRAINING_PER_LIST * lists, LEAST_TRAINING)
        factory = f"IVF{lists},{self.codes(*vectors.shape)}"
        write_ivf(vectors, path, factory, Training(sample, TRAINING_PER_LIST, TRAINING_ROUNDS))

    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        """Map the lists."""
        from dpr.dense.ivf import IVFIndex

        return IVFIndex(vectors, path, self.nprobe, self.rerank, id_rank)

    def lists(self, vectors: int) -> int:
        """Return the number of lists for this many vectors."""
        return max(1, min(self.nlist or round(4 * math.sqrt(vectors)), vectors))

    def codes(self, vectors: int, dimension: int) -> str:  # noqa: ARG002
        """Return FAISS's name of the codes for this many vectors."""
        return self.code

    def disk_bytes(self, vectors: int, dimension: int) -> float:
        """Return the bytes of the codes, each with its row, and of the lists' centres."""
        return vectors * (self.code_bytes(dimension) + 8) + self.lists(vectors) * (dimension * 4 + 8)

    def code_bytes(self, dimension: int) -> float:
        """Return the bytes of a vector's code."""
        return self.number_bytes * dimension

    def memory_bytes(self, vectors: int, dimension: int) -> float:
        """Return the memory of the codes and of the sample."""
        learned = min(vectors, max(TRAINING_PER_LIST * self.lists(vectors), LEAST_TRAINING))
        return learned * dimension * 8 + self.disk_bytes(vectors, dimension)

    def build_seconds(self, vectors: int, dimension: int, speed: BuildSpeed) -> float:
        """Return the seconds to compare vectors with centres: a sample for each round, then all."""
        lists = self.lists(vectors)
        learned = min(vectors, TRAINING_PER_LIST * lists)
        return (TRAINING_ROUNDS * learned + vectors) * lists * dimension * 2 / speed.operations_per_s

    def searches(self, vectors: int) -> Iterator[Iterable[Self]]:
        """Yield a series of twice as many lists each time for every step of ``rerank``."""
        lists = self.nlist or round(4 * math.sqrt(vectors))
        widths = [*(2**power for power in range(lists.bit_length() + 1) if 2**power < lists), lists]
        for step in self.rerank_steps:
            yield (replace(self, nprobe=width, rerank=step * self.rerank) for width in widths)


@dataclass(frozen=True)
class IvfFp16(InvertedFile):
    """Lists of vectors in half precision."""

    name = "ivf-fp16"
    summary = "reads the nearest lists: half-precision codes"
    code = "SQfp16"
    number_bytes = 2.0

    rerank: int = parameter(20, meaning="rows that the codes propose, and their vectors order")


@dataclass(frozen=True)
class IvfSq8(InvertedFile):
    """Lists of vectors of 8 bits a number."""

    name = "ivf-sq8"
    summary = "reads the nearest lists: 8-bit codes"
    is_auto_candidate = True
    code = "SQ8"
    number_bytes = 1.0


@dataclass(frozen=True)
class IvfPq(InvertedFile):
    """Lists of products: each part of a vector is the nearest of 16 centroids."""

    name = "ivf-pq"
    summary = "reads the nearest lists: product codes, the smallest"
    code = "PQ{parts}x4fs"
    number_bytes = 0.5 / PART_NUMBERS
    rerank_steps = (1, 4, 16)

    rerank: int = parameter(200, meaning="rows that the codes propose, and their vectors order")
    parts: int = parameter(0, least=0, meaning="equal parts of a vector; 0: parts of four numbers, where that is whole")

    def check_dimension(self, dimension: int) -> None:
        """Refuse a number of parts that does not divide the dimension."""
        if self.parts and dimension % self.parts:
            raise ConfigError(
                f"vectors of dimension {dimension} cannot be cut into {self.parts} equal parts; choose a divisor"
            )

    def codes(self, vectors: int, dimension: int) -> str:
        """Return FAISS's name of the product codes, or of 8-bit ones for few vectors."""
        self.check_dimension(dimension)
        if vectors < LEAST_FOR_PRODUCTS:
            return IvfSq8.code
        most = max(1, dimension // PART_NUMBERS)
        count = self.parts or next(count for count in range(most, 0, -1) if dimension % count == 0)
        return self.code.format(parts=count)

    def code_bytes(self, dimension: int) -> float:
        """Return half a byte for each part."""
        return self.parts / 2 if self.parts else self.number_bytes * dimension


INDEX_TYPES: dict[str, IndexType] = {
    index_type.name: index_type
    for index_type in (Flat(), Hnsw(), IvfFp16(), IvfSq8(), IvfPq(), Postgres(), PostgresHnsw(), Milvus(), MilvusHnsw())
}
"""Every index type with its default parameters. A new index type is one more entry."""

EXACT = Flat()
"""The default, also for few vectors, and where no approximate setting reaches the target recall."""


AUTO = "auto"
"""The name that chooses the fastest candidate with the target recall."""


def exact_type(index_type: IndexType) -> IndexType:
    """Return the exact index type that takes an index type's place for few vectors, in the same database."""
    return INDEX_TYPES[index_type.exact_name]


def index_type_of(name: str, parameters: Mapping[str, int] | None = None) -> IndexType:
    """Return an index type by its name, with some of its parameters.

    Raises:
        ConfigError: the name or a parameter is unknown, or a parameter is out of range.
    """
    if name not in INDEX_TYPES:
        raise ConfigError(f"unknown index type {name!r}; choose {', '.join(INDEX_TYPES)}")
    return INDEX_TYPES[name].with_parameters(parameters or {})


def listed_index_types() -> str:
    """Return the names in a phrase, the exact ones marked: ``flat (exact), hnsw``."""
    return ", ".join(f"{name} (exact)" if index_type.is_exact else name for name, index_type in INDEX_TYPES.items())


def listed_parameters() -> str:
    """Return the parameters of all index types with their defaults in a phrase: ``hnsw: m=32, ef_search=128; …``."""
    lists = {
        name: ", ".join(f"{key}={value}" for key, value in index_type.parameters.items())
        for name, index_type in INDEX_TYPES.items()
    }
    return "; ".join(f"{name}: {parameters}" for name, parameters in lists.items() if parameters)
