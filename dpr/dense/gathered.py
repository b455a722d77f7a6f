"""Exact search over the vectors of a few rows, which are copied together."""

from __future__ import annotations

import numpy as np

from dpr.filters import Filter
from dpr.topk import no_hits
from dpr.types import FloatArray, IntArray, RankArray, TopK

GATHERED_BYTES = 32 * 1024 * 1024
"""Size of the vectors up to which they are copied together: 21,845 of 384 numbers."""


class GatheredIndex:
    """The inner products of a question with the vectors of some rows of a larger matrix."""

    def __init__(self, vectors: FloatArray, id_rank: RankArray, rows: IntArray) -> None:
        """Copy the vectors of ``rows`` (n,) out of ``vectors`` (P, D); ``id_rank`` (P,) orders equal scores."""
        from dpr.dense.faiss_index import FlatIndex

        self._vectors = vectors
        self._rows = rows
        # As a selection of all of them: FAISS then compares in this thread, which takes less than waking others.
        self._exact = FlatIndex(vectors[rows], id_rank[rows]).selecting(id_rank[rows])

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k rows of highest inner product for question vectors (Q, D).

        Raises:
            IndexFormatError: the questions' dimension is not the index's.
            RequestError: k is below 1.
        """
        if not len(self._rows):
            return no_hits(len(questions), k)
        top = self._exact.search(questions, k)
        return TopK(np.where(top.rows < 0, -1, self._rows[np.maximum(top.rows, 0)]), top.scores)

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> GatheredIndex:  # noqa: ARG002
        """Return the search over the rows whose rank is not negative, (P,)."""
        return GatheredIndex(self._vectors, id_rank, np.flatnonzero(id_rank >= 0))
