from __future__ import annotations

from pathlib import Path

import numpy as np

from dpr.dense.faiss_index import FlatIndex
from dpr.dense.ordering import checked_ordering
from dpr.dense.segments import SegmentedIndex
from dpr.types import FloatArray, IntArray, VectorIndex
from tests.dpr.dense.contract import VectorIndexContract


class TestSegmentedIndex(VectorIndexContract):
    """Flat indexes over three parts of the vectors, of different sizes."""

    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        del folder
        checked_ordering(id_rank, vectors)
        rank = np.arange(len(vectors)) if id_rank is None else id_rank
        cuts = [len(vectors) // 4, len(vectors) // 3]
        segments = zip(np.split(vectors, cuts), np.split(rank, cuts), strict=True)
        used_ids = [(segment, ranks) for segment, ranks in segments if len(segment)] or [(vectors, rank)]
        return SegmentedIndex(
            [FlatIndex(segment, ranks) for segment, ranks in used_ids], [ranks for _, ranks in used_ids]
        )
