from __future__ import annotations

import numpy as np
import pytest

from dpr.errors import RequestError
from dpr.topk import merge_top_k, no_hits
from dpr.types import TopK


def top(rows: list[list[int]], scores: list[list[float]]) -> TopK:
    return TopK(np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float32))


def test_the_best_of_all_parts_come_by_score_and_then_by_rank() -> None:
    parts = [top([[1, 0, -1]], [[3.0, 1.0, -np.inf]]), top([[0, 2, 1]], [[3.0, 2.0, 1.0]])]
    merged = merge_top_k(parts, [np.array([2, 3]), np.array([1, 0, 4])])
    assert merged.rows.tolist() == [[2, 1, 4]]
    assert merged.scores.tolist() == [[3.0, 3.0, 2.0]]


def test_too_few_hits_are_padded() -> None:
    parts = [top([[-1, -1]], [[-np.inf, -np.inf]]), top([[0, -1]], [[-5.0, -np.inf]])]
    merged = merge_top_k(parts, [np.array([], dtype=np.int64), np.array([0])])
    assert merged.rows.tolist() == [[0, -1]]
    assert merged.scores.tolist() == [[-5.0, -np.inf]]


def test_k_below_one_is_refused() -> None:
    with pytest.raises(RequestError, match="k is 0"):
        no_hits(2, 0)
