"""The kinds of vector index by name: how each is built, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dpr.dense.faiss_index import FlatIndex, HNSWIndex, write_graph
from dpr.dense.ivf import IVFIndex, write_ivf
from dpr.dense.ordering import RankArray
from dpr.errors import ConfigError
from dpr.types import FloatArray, VectorIndex

Parameters = Mapping[str, int]

LEAST = {"m": 2, "ef_construction": 1, "ef_search": 1, "nlist": 0, "nprobe": 1, "rerank": 1, "parts": 0}
"""Least value of each parameter; 0 stands for what suits the vectors."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to search vectors.

    Attributes:
        name: its key in ``KINDS``.
        defaults: its parameters and their default values.
        write: writes what it needs beside the vectors, from the vectors, the path and all parameters.
        read: opens it, from the vectors, the path, all parameters and the id ranks.
    """

    name: str
    defaults: Parameters
    write: Callable[[FloatArray, Path, Parameters], None]
    read: Callable[[FloatArray, Path, Parameters, RankArray | None], VectorIndex]

    def build(self, vectors: FloatArray, path: Path, parameters: Parameters) -> None:
        """Write to ``path`` what searching vectors (P, D) needs beside them; the flat kind needs nothing.

        Raises:
            ConfigError: a parameter is unknown or out of range.
        """
        self.write(vectors, path, self._complete(parameters))

    def open(
        self, vectors: FloatArray, path: Path, parameters: Parameters, id_rank: RankArray | None = None
    ) -> VectorIndex:
        """Return an index over the vectors that it was built from; ``id_rank`` (P,) orders equal scores.

        Raises:
            ConfigError: a parameter is unknown or out of range.
            IndexFormatError: the file is absent, damaged, or of other vectors.
        """
        return self.read(vectors, path, self._complete(parameters), id_rank)

    def _complete(self, parameters: Parameters) -> Parameters:
        for name, value in parameters.items():
            if name not in self.defaults:
                known = ", ".join(self.defaults) or "none"
                raise ConfigError(f"the dense kind {self.name!r} has no parameter {name!r}; its parameters: {known}")
            if value < LEAST[name]:
                raise ConfigError(f"{name} is {value}, which is too low; choose at least {LEAST[name]}")
        return {**self.defaults, **parameters}


def _write_nothing(_vectors: FloatArray, _path: Path, _parameters: Parameters) -> None:
    """Write nothing: the flat kind searches the vectors themselves."""


def _open_flat(vectors: FloatArray, _path: Path, _parameters: Parameters, id_rank: RankArray | None) -> VectorIndex:
    return FlatIndex(vectors, id_rank)


def _write_hnsw(vectors: FloatArray, path: Path, parameters: Parameters) -> None:
    write_graph(vectors, path, parameters["m"], parameters["ef_construction"])


def _open_hnsw(vectors: FloatArray, path: Path, parameters: Parameters, id_rank: RankArray | None) -> VectorIndex:
    return HNSWIndex.open(vectors, path, parameters["ef_search"], id_rank)


def _inverted_file(name: str, defaults: Parameters) -> Kind:
    def write(vectors: FloatArray, path: Path, parameters: Parameters) -> None:
        write_ivf(vectors, path, name, parameters["nlist"], parameters.get("parts", 0))

    def read(vectors: FloatArray, path: Path, parameters: Parameters, id_rank: RankArray | None) -> VectorIndex:
        return IVFIndex(vectors, path, parameters["nprobe"], parameters["rerank"], id_rank)

    return Kind(name, {"nlist": 0, "nprobe": 32, **defaults}, write, read)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("flat", {}, _write_nothing, _open_flat),
        Kind("hnsw", {"m": 32, "ef_construction": 200, "ef_search": 128}, _write_hnsw, _open_hnsw),
        _inverted_file("ivf-fp16", {"rerank": 20}),
        _inverted_file("ivf-sq8", {"rerank": 50}),
        _inverted_file("ivf-pq", {"rerank": 200, "parts": 0}),
    )
}
"""``flat`` is exact; the others trade a little recall for searches whose time hardly grows with the collection.

``hnsw`` is the fastest, and keeps its graph and all vectors in memory; the inverted files read some lists of codes.
"""
