"""Where gold passages rank by inner product, and what is said of such ranks; numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpr.types import FloatArray, IntArray


def gold_ranks(
    questions: FloatArray,
    vectors: FloatArray,
    golds: Sequence[Sequence[int]],
    first: IntArray | None = None,
    excluded: Sequence[Sequence[int]] = (),
) -> IntArray:
    """Return the rank of each question's best gold passage, (Q,), from 1; a tie counts against it.

    Args:
        questions: (Q, D).
        vectors: the passages', (P, D), or those of their windows, (V, D): a passage scores as its best window.
        golds: rows of the passages that are right for each question.
        first: each passage's first vector, (P,), where passages have several.
        excluded: rows of the passages that each question is not ranked against, such as itself; empty for none.
    """
    ranks = np.empty(len(questions), dtype=np.int64)
    for row, gold in enumerate(golds):
        scores = vectors @ questions[row]  # (V,)
        if first is not None:
            scores = np.maximum.reduceat(scores, first)  # (P,)
        best = scores[list(gold)].max()
        scores[[*gold, *(excluded[row] if excluded else ())]] = -np.inf
        ranks[row] = 1 + np.count_nonzero(scores >= best)
    return ranks


def rank_metrics(ranks: IntArray) -> dict[str, float]:
    """Return recall@1, @5, @20, the mean reciprocal rank and the mean rank."""
    recalls = {f"recall@{k}": float(np.mean(ranks <= k)) for k in (1, 5, 20)}
    return recalls | {"mrr": float(np.mean(1 / ranks)), "rank": float(np.mean(ranks))}
