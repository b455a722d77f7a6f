from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.errors import DataError
from dpr.reader.calibrate import (
    Calibration,
    best_threshold,
    calibrate,
    expected_calibration_error,
    threshold_for_precision,
)
from dpr.types import Answer, Example, Passage, Question, Reading

FOUND = st.tuples(st.sampled_from(["right", "wrong"]), st.integers(-3, 3), st.booleans())


def drawn(margin: float, temperature: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Margins, and whether there is an answer, drawn with just the probability that a calibration gives."""
    random = np.random.default_rng(5)
    margins = random.normal(0, 4, count)
    return margins, random.random(count) < Calibration(margin, temperature).probabilities(margins)


@pytest.mark.parametrize(("margin", "temperature"), [(0.0, 1.0), (-2.5, 3.0), (1.0, 0.4)])
def test_a_calibration_is_found_again(margin: float, temperature: float) -> None:
    found = calibrate(*drawn(margin, temperature, 40_000))
    assert found.margin == pytest.approx(margin, abs=0.15)
    assert found.temperature == pytest.approx(temperature, rel=0.05)


def test_a_calibrated_probability_is_the_frequency_and_another_is_not() -> None:
    margins, has_answer = drawn(-1.0, 2.0, 20_000)
    assert expected_calibration_error(calibrate(margins, has_answer).probabilities(margins), has_answer) < 0.015
    assert expected_calibration_error(Calibration(-1.0, 0.3).probabilities(margins), has_answer) > 0.08


def test_margins_that_part_the_two_kinds_keep_the_fit_finite() -> None:
    found = calibrate(np.array([-9.0, -8.0, 3.0, 4.0]), np.array([True, True, False, False]))
    low, high = found.probabilities(np.array([4.0, -9.0]))
    assert 0.0 < low < 0.5 < high < 1.0


def test_the_error_is_the_weighted_gap_of_each_bin() -> None:
    probabilities = np.array([0.05, 0.05, 0.95, 0.95, 0.95, 1.0])
    happened = np.array([False, True, True, True, False, True])
    by_hand = (abs(0.05 * 2 - 1) + abs(0.95 * 3 + 1.0 - 3)) / 6
    assert expected_calibration_error(probabilities, happened, bins=10) == pytest.approx(by_hand)


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(DataError, match="every question has an answer"):
        calibrate(np.array([1.0, 2.0]), np.array([True, True]))
    with pytest.raises(DataError, match="no question has an answer"):
        calibrate(np.array([1.0, 2.0]), np.array([False, False]))
    with pytest.raises(DataError, match="surer of questions without an answer"):
        calibrate(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, False, True, True]))
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
