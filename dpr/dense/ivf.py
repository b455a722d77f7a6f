"""FAISS's inverted file: short codes of the vectors, in lists of near vectors; a search reads a few lists.

The codes propose rows, and the vectors of these rows give the exact scores. So a code may be coarse: 4 bits for 4
numbers are enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from dpr.dense.approximate import ApproximateIndex, read_faiss
from dpr.types import FloatArray, IntArray, RankArray

ADDED_AT_A_TIME = 65536

LEAST_FOR_CENTROIDS = 16
"""Least number of vectors to learn the centroids of a product code."""


@dataclass(frozen=True, slots=True)
class Training:
    """The sample that lists and codes are learned from.

    Attributes:
        vectors: the number of vectors, evenly spread; fewer if there are fewer.
        per_list: the most vectors per list.
        rounds: the number of iterations of k-means.
    """

    vectors: int
    per_list: int
    rounds: int


class IVFIndex(ApproximateIndex):
    """Approximate search by codes, in the lists whose centres are nearest to a question."""

    def __init__(
        self, vectors: FloatArray, path: Path, nprobe: int, rerank: int, id_rank: RankArray | None = None
    ) -> None:
        """Map the lists that ``write_ivf`` wrote over vectors (P, D).

        Args:
            vectors: the passage vectors that the lists were built for.
            path: the file.
            nprobe: the number of lists that a search reads; more where rows are left out, see `_propose`.
            rerank: the number of rows that the codes propose, at least twice k; their vectors give the scores.
            id_rank: the rank of each passage's id among the sorted ids, (P,); the row itself without it.

        Raises:
            IndexFormatError: the file is absent, damaged, no inverted file, or of other vectors.
        """
        super().__init__(vectors, id_rank)
        self._lists = read_faiss(path, faiss.IO_FLAG_MMAP, faiss.IndexIVF, vectors.shape)
        self._nprobe = nprobe
        self._rerank = rerank

    def _propose(self, questions: FloatArray, k: int, effort: int) -> IntArray:
        # The best of fewer rows lie in lists that are farther away. √(all rows / rows searched) times as many lists
        # keep the recall that a search of all rows has (decision 0037).
        width = min(max(2 * k, self._rerank), len(self._vectors))
        scarcity = math.sqrt(len(self._vectors) / max(1, self._alive_count))
        lists = min(math.ceil(effort * self._nprobe * scarcity), self._lists.nlist)
        parameters = faiss.SearchParametersIVF(nprobe=lists, sel=self._alive)
        rows: IntArray = self._lists.search(questions, width, params=parameters)[1]
        return rows


def write_ivf(vectors: FloatArray, path: Path, factory: str, training: Training) -> None:
    """Learn lists and codes from a sample of vectors (P, D), and write the lists of all of them.

    FAISS holds their codes in memory while it builds.

    Args:
        vectors: the vectors, mapped or not.
        path: the file to write.
        factory: FAISS's name of the lists and their codes: ``IVF100,SQ8``.
        training: the sample to learn from.
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
    """Return at most ``count`` vectors, evenly spread, repeated up to the least number for centroids."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(count, len(vectors))).round().astype(np.int64))
    sample = np.ascontiguousarray(vectors[rows], dtype=np.float32)
    return np.resize(sample, (max(LEAST_FOR_CENTROIDS, len(rows)), vectors.shape[1]))
