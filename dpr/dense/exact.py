"""Brute force in NumPy: the oracle that other vector indexes are measured against."""

from __future__ import annotations

import numpy as np

from dpr.dense.ordering import checked_ordering, checked_questions
from dpr.filters import Filter
from dpr.topk import no_hits
from dpr.types import FloatArray, RankArray, TopK

VECTORS_AT_A_TIME = 8192


class ExactIndex:
    """The inner product of every question with every passage, in float64, rounded to float32."""

    def __init__(self, vectors: FloatArray, id_rank: RankArray | None = None) -> None:
        """Search vectors (P, D), mapped or not; ``id_rank`` (P,) orders equal scores, or the rows without it.

        Raises:
            IndexFormatError: there is not one id rank for each vector.
        """
        self._vectors = vectors
        self._ordering = checked_ordering(id_rank, vectors)

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> ExactIndex:  # noqa: ARG002
        """Return the search over the rows whose rank is not negative, (P,)."""
        return ExactIndex(self._vectors, id_rank)

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k rows of highest inner product for question vectors (Q, D).

        Raises:
            IndexFormatError: the questions' dimension is not the index's.
            RequestError: k is below 1.
        """
        doubles = checked_questions(questions, self._vectors).astype(np.float64)
        top = no_hits(len(questions), k)
        for start in range(0, len(self._vectors), VECTORS_AT_A_TIME):
            block = self._vectors[start : start + VECTORS_AT_A_TIME].astype(np.float64)
            scores = (doubles @ block.T).astype(np.float32)  # (Q, block)
            rows = np.arange(start, start + len(block))
            for number in range(len(questions)):
                is_filled = top.rows[number] >= 0
                best_rows, best_scores = self._ordering.first(
                    np.concatenate((top.rows[number][is_filled], rows)),
                    np.concatenate((top.scores[number][is_filled], scores[number])),
                    k,
                )
                top.rows[number, : len(best_rows)] = best_rows
                top.scores[number, : len(best_rows)] = best_scores
        return top
