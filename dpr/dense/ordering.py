"""Scores of candidates and the order of equal scores: one rule for every vector index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpr.errors import IndexFormatError
from dpr.types import FloatArray, IntArray, RankArray


@dataclass(frozen=True, slots=True, eq=False)
class Ordering:
    """Higher scores first, equal ones by the rank of the row's id among the sorted ids (the row itself without it).

    A row of negative rank is deleted, and left out.
    """

    id_rank: RankArray | None

    def first(self, rows: IntArray, scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return the best k of different rows (n,) with their scores (n,), best first."""
        ranks = rows if self.id_rank is None else self.id_rank[rows]
        if self.id_rank is not None:
            is_alive = ranks >= 0
            rows, scores, ranks = rows[is_alive], scores[is_alive], ranks[is_alive]
        if len(rows) > k:
            is_near = scores >= np.partition(scores, -k)[-k]
            rows, scores, ranks = rows[is_near], scores[is_near], ranks[is_near]
        order = np.lexsort((ranks, -scores))[:k]
        return rows[order], scores[order]


def inner_products(vectors: FloatArray, rows: IntArray, question: FloatArray) -> FloatArray:
    """Return the score of each row for a question's vector (D,): summed in float64, rounded to float32, (n,).

    A matrix product sums in an order that depends on the position in the matrix and on the size of the batch. Here
    equal vectors have equal scores, and the scores of a question do not depend on its batch.
    """
    products: FloatArray = np.einsum("nd,d->n", vectors[rows].astype(np.float64), question.astype(np.float64))
    return products.astype(np.float32)


def checked_questions(questions: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return question vectors as contiguous float32, (Q, D).

    Raises:
        IndexFormatError: they do not have the dimension of the passage vectors.
    """
    if questions.ndim != 2 or questions.shape[1] != vectors.shape[1]:
        raise IndexFormatError(
            f"the question vectors have the shape {questions.shape}, but the index holds vectors of dimension "
            f"{vectors.shape[1]}; use the encoder that the index was built with"
        )
    return np.ascontiguousarray(questions, dtype=np.float32)


def checked_ordering(id_rank: RankArray | None, vectors: FloatArray) -> Ordering:
    """Return the ordering by ``id_rank`` (P,).

    Raises:
        IndexFormatError: the number of ranks is not that of the vectors.
    """
    if id_rank is not None and id_rank.shape != vectors.shape[:1]:
        raise IndexFormatError(
            f"the id ranks have the shape {id_rank.shape}, but there are {len(vectors)} vectors; build the index again"
        )
    return Ordering(id_rank)
