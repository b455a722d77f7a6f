from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.reader.extractive.spans import best_spans, null_scores, standardize


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 12), st.integers(1, 15), st.integers(1, 6))
def test_best_spans_equal_a_search_of_every_span(
    seed: int, windows: int, width: int, longest: int, n_best: int
) -> None:
    random = np.random.default_rng(seed)
    starts, ends = random.standard_normal((2, windows, width)).astype(np.float32)
    is_passage = random.random((windows, width)) < 0.7
    spans = best_spans(starts, ends, is_passage, longest, n_best)
    for row in range(windows):
        every = sorted(
            (
                (float(starts[row, first] + ends[row, last]), first, last)
                for first in range(width)
                for last in range(first, min(first + longest, width))
                if is_passage[row, first] and is_passage[row, last]
            ),
            reverse=True,
        )[:n_best]
        found = np.isfinite(spans.scores[row])
        assert found.sum() == min(len(every), n_best)
        for (score, first, last), place in zip(every, np.flatnonzero(found), strict=True):
            assert spans.scores[row, place] == pytest.approx(score, rel=1e-6)
            assert (spans.starts[row, place], spans.ends[row, place]) == (first, last)


def test_a_window_without_passage_tokens_has_no_span() -> None:
    logits = np.zeros((1, 4), dtype=np.float32)
    assert not np.isfinite(best_spans(logits, logits, np.zeros((1, 4), dtype=np.bool_), 3, 2).scores).any()


def test_the_null_score_is_that_of_the_first_token() -> None:
    starts = np.array([[1, 9], [2, 9]], dtype=np.float32)
    assert null_scores(starts, starts).tolist() == [2, 4]


def test_standardized_scores_have_mean_0_and_spread_1_or_do_not_differ() -> None:
    scores = standardize(np.array([1, 2, 6], dtype=np.float32))
    assert scores.mean() == pytest.approx(0, abs=1e-6)
    assert scores.std() == pytest.approx(1, rel=1e-6)
    assert standardize(np.array([3, 3], dtype=np.float32)).tolist() == [0, 0]
    assert standardize(np.array([], dtype=np.float32)).tolist() == []
