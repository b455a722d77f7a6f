"""FAISS's inverted file: short codes of the vectors in lists of near ones, of which a search reads a few.

A code is read instead of its vector, and the best rows by their codes are then scored by the vectors themselves. So a
code needs to be good enough to be proposed, not to decide: 4 bits for 4 numbers do.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from dpr.dense.approximate import ApproximateIndex, read_faiss
from dpr.dense.ordering import RankArray
from dpr.errors import ConfigError
from dpr.types import FloatArray, IntArray

CODES = {"ivf-fp16": "SQfp16", "ivf-sq8": "SQ8", "ivf-pq": "PQ{parts}x4fs"}
"""FAISS's names of the codes: half precision, 8 bits a number, and products of 16 centroids each."""

TRAINING_PER_LIST = 64
"""Vectors for each list that its centre is learned from."""

LEAST_TRAINING = 65536
"""Vectors that codes are learned from, where there are so many."""

LEAST_FOR_PRODUCTS = 1000
"""Vectors below which there is nothing to learn products from; 8 bits a number are used in their place."""

TRAINING_ROUNDS = 10
ADDED_AT_A_TIME = 65536

_PART_NUMBERS = 4


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


def write_ivf(vectors: FloatArray, path: Path, codes: str, nlist: int, parts: int = 0) -> None:
    """Learn lists and codes from a sample of vectors (P, D), and write the lists of all of them.

    Args:
        vectors: the vectors, mapped or not; FAISS holds their codes in memory while it builds.
        path: the file to write.
        codes: a key of ``CODES``.
        nlist: how many lists; 0: four times the root of P.
        parts: in how many parts a vector is cut for ``ivf-pq``; 0: parts of four numbers, where D allows it.

    Raises:
        ConfigError: D numbers cannot be cut into so many equal parts.
    """
    total, dimension = vectors.shape
    parts = _parts(dimension, parts)
    codes = "ivf-sq8" if codes == "ivf-pq" and total < LEAST_FOR_PRODUCTS else codes
    lists = max(1, min(nlist or round(4 * math.sqrt(total)), total))
    index = faiss.index_factory(dimension, f"IVF{lists},{CODES[codes].format(parts=parts)}", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.min_points_per_centroid = TRAINING_ROUNDS, 1
    index.cp.max_points_per_centroid = TRAINING_PER_LIST
    if hasattr(index, "pq"):
        index.pq.cp.min_points_per_centroid = 1
    if total:
        index.train(_sample(vectors, max(TRAINING_PER_LIST * lists, LEAST_TRAINING)))
    for start in range(0, total, ADDED_AT_A_TIME):
        index.add(np.ascontiguousarray(vectors[start : start + ADDED_AT_A_TIME], dtype=np.float32))
    faiss.write_index(index, str(path))


def _parts(dimension: int, parts: int) -> int:
    if parts and dimension % parts:
        raise ConfigError(f"vectors of {dimension} numbers cannot be cut into {parts} equal parts; give a divisor")
    return parts or next(count for count in range(max(1, dimension // _PART_NUMBERS), 0, -1) if dimension % count == 0)


def _sample(vectors: FloatArray, count: int) -> Any:
    """Return at most ``count`` vectors, evenly spread, and at least the 16 that a code's centroids need."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(count, len(vectors))).round().astype(np.int64))
    return np.resize(np.ascontiguousarray(vectors[rows], dtype=np.float32), (max(16, len(rows)), vectors.shape[1]))
