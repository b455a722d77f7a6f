from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.errors import DataError
from dpr.reader.calibrate import (
    best_threshold,
    expected_calibration_error,
    threshold_for_precision,
)
from dpr.types import Answer, Example, Passage, Question, Reading

FOUND = st.tuples(st.sampled_from(["right", "wrong"]), st.integers(-3, 3), st.booleans())


def test_the_error_is_the_weighted_gap_of_each_bin() -> None:
    probabilities = np.array([0.05, 0.05, 0.95, 0.95, 0.95, 1.0])
    happened = np.array([False, True, True, True, False, True])
    by_hand = (abs(0.05 * 2 - 1) + abs(0.95 * 3 + 1.0 - 3)) / 6
    assert expected_calibration_error(probabilities, happened, bins=10) == pytest.approx(by_hand)


def test_without_questions_there_is_no_error() -> None:
    with pytest.raises(DataError, match="no questions"):
        expected_calibration_error(np.array([]), np.array([], dtype=np.bool_))


def reading(text: str, margin: float) -> Reading:
    return Reading((Answer(text, "p", 0, len(text), -margin, 0.0, margin),), is_answered=True, no_answer_score=margin)


def example(*answers: str) -> Example:
    return Example(Question("q", "q?", answers), (Passage("p", "text"),), is_impossible=not answers)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["right", "wrong"]), st.integers(-3, 3), st.booleans()), min_size=1, max_size=12
    ),
    st.sampled_from([0.3, 0.5, 0.9]),
)
def test_the_threshold_for_a_precision_answers_as_much_as_it_allows(
    found: list[tuple[str, int, bool]], precision: float
) -> None:
    readings = [reading(text, margin) for text, margin, _ in found]
    examples = [example("right") if has_answer else example() for *_, has_answer in found]

    def precision_at(threshold: float) -> float:
        answered = [text == "right" and has for text, margin, has in found if margin <= threshold]
        return sum(answered) / len(answered) if answered else 0.0

    allowed = [margin for _, margin, _ in found if precision_at(margin) >= precision]
    if not allowed:
        with pytest.raises(DataError, match="no threshold makes a share of"):
            threshold_for_precision(readings, examples, precision)
        return
    assert threshold_for_precision(readings, examples, precision) == max(allowed)


def test_nothing_to_choose_a_threshold_by_is_refused() -> None:
    with pytest.raises(DataError, match="no questions"):
        best_threshold([], [])
    with pytest.raises(DataError, match="no answers"):
        threshold_for_precision([Reading()], [example("right")], 0.5)
