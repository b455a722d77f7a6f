"""FAISS's inverted file: short codes of the vectors in lists of near ones, of which a search reads a few.

A code is read instead of its vector, and the best rows by their codes are then scored by the vectors themselves. So a
code needs to be good enough to be proposed, not to decide: 4 bits for 4 numbers do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from dpr.dense.approximate import ApproximateIndex, read_faiss
from dpr.types import FloatArray, IntArray, RankArray

ADDED_AT_A_TIME = 65536

LEAST_FOR_CENTROIDS = 16
"""Vectors that the centroids of a product code need."""


@dataclass(frozen=True, slots=True)
class Training:
    """What lists and codes are learned from.

    Attributes:
        vectors: how many vectors, evenly spread, where there are so many.
        per_list: how many of them a list's centre is learned from at most.
        rounds: how often the centres are moved.
    """

    vectors: int
    per_list: int
    rounds: int


class IVFIndex(ApproximateIndex):
    """Approximate search by codes, in the lists whose centres are nearest to a question."""

    def __init__(
        self, vectors: FloatArray, path: Path, nprobe: int, rerank: int, id_rank: RankArray | None = None
    ) -> None:
        """Map what ``write_ivf`` wrote over vectors (P, D).

        Args:
            vectors: the passage vectors that it was built for.
            path: the file.
            nprobe: how many lists a search reads.
            rerank: how many rows the codes propose, whose vectors decide; at least twice k are.
            id_rank: the place of each passage's id among the sorted ids, (P,); the row itself without it.

        Raises:
            IndexFormatError: the file is absent, damaged, no inverted file, or of other vectors.
        """
        super().__init__(vectors, id_rank)
        self._lists = read_faiss(path, faiss.IO_FLAG_MMAP, faiss.IndexIVF, vectors.shape)
        self._nprobe = nprobe
        self._rerank = rerank

    def _propose(self, questions: FloatArray, k: int, effort: int) -> IntArray:
        width = min(max(2 * k, self._rerank), len(self._vectors))
        lists = min(effort * self._nprobe, self._lists.nlist)
        parameters = faiss.SearchParametersIVF(nprobe=lists, sel=self._alive)
        proposed: IntArray = self._lists.search(questions, width, params=parameters)[1]
        return proposed


def write_ivf(vectors: FloatArray, path: Path, factory: str, training: Training) -> None:
    """Learn lists and codes from a sample of vectors (P, D), and write the lists of all of them.

    FAISS holds their codes in memory while it builds.

    Args:
        vectors: the vectors, mapped or not.
        path: the file to write.
        factory: FAISS's name of the lists and their codes: ``IVF100,SQ8``.
        training: what they are learned from.
    """
    total, dimension = vectors.shape
    index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.min_points_per_centroid = training.rounds, 1
    index.cp.max_points_per_centroid = training.per_list
    if hasattr(index, "pq"):
        index.pq.cp.min_points_per_centroid = 1
    if total:
        index.train(_sample(vectors, training.vectors))
    for start in range(0, total, ADDED_AT_A_TIME):
        index.add(np.ascontiguousarray(vectors[start : start + ADDED_AT_A_TIME], dtype=np.float32))
    faiss.write_index(index, str(path))


def _sample(vectors: FloatArray, count: int) -> Any:
    """Return at most ``count`` vectors, evenly spread, and at least as many as centroids need."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(count, len(vectors))).round().astype(np.int64))
    sample = np.ascontiguousarray(vectors[rows], dtype=np.float32)
    return np.resize(sample, (max(LEAST_FOR_CENTROIDS, len(rows)), vectors.shape[1]))
