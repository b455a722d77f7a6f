from __future__ import annotations

import numpy as np
import pytest

from dpr.evaluation.ranks import gold_ranks, rank_metrics


def test_the_rank_is_that_of_the_best_gold_passage() -> None:
    questions = np.eye(3, dtype=np.float32)
    passages = np.array([[0.9, 0.1, 0.5], [0.5, 0.3, 0.5], [0.1, 0.2, 0.4], [0.0, 0.0, 0.5]], dtype=np.float32)
    ranks = gold_ranks(questions, passages, [(0,), (0, 2), (3,)])
    assert ranks.tolist() == [1, 2, 3]  # of the last, two others have the same score
    assert rank_metrics(ranks) == pytest.approx(
        {"recall@1": 1 / 3, "recall@5": 1.0, "recall@20": 1.0, "mrr": (1 + 1 / 2 + 1 / 3) / 3, "rank": 2.0}
    )


def test_a_passage_of_several_vectors_counts_by_the_best() -> None:
    vectors = np.array([[0.1, 0.0], [0.9, 0.0], [0.5, 0.4], [0.2, 0.5]], dtype=np.float32)
    ranks = gold_ranks(np.eye(2, dtype=np.float32), vectors, [(0,), (0,)], np.array([0, 2, 3]))
    assert ranks.tolist() == [1, 3]
