"""Weights by what each list knows of a question: the formula by hand, and what should hold of any such rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.search.weighing import weigh

shares = st.lists(st.floats(0, 1), min_size=1, max_size=6)
weights_of_two = st.floats(0.05, 0.95).map(lambda weight: {"dense": 1 - weight, "bm25": weight})
powers = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5])


@pytest.mark.parametrize(
    ("coverage", "bm25"),
    [
        (1.0, 0.75),  # all is known: the fusion's own weights
        (0.8, 0.48 / 0.73),  # 0.75 · 0.64 against 0.25
        (0.5, 0.1875 / 0.4375),
        (0.1, 0.0075 / 0.2575),
        (0.0, 0.0),  # nothing is known
    ],
)
def test_the_formula_by_hand(coverage: float, bm25: float) -> None:
    weights = weigh({"dense": 0.25, "bm25": 0.75}, {"bm25": np.array([coverage])}, 2.0, 1)
    assert weights["bm25"].tolist() == pytest.approx([bm25])
    assert weights["dense"].tolist() == pytest.approx([1 - bm25])


def test_three_lists_of_which_two_measure() -> None:
    coverage = {"bm25": np.array([0.5, 1.0]), "tfidf": np.array([1.0, 0.5])}
    weights = weigh({"dense": 1.0, "bm25": 2.0, "tfidf": 1.0}, coverage, 1.0, 2)
    assert weights["dense"].tolist() == pytest.approx([4 / 3, 4 / 3.5])
    assert weights["bm25"].tolist() == pytest.approx([4 / 3, 8 / 3.5])
    assert weights["tfidf"].tolist() == pytest.approx([4 / 3, 2 / 3.5])


def test_where_the_only_list_with_a_weight_knows_nothing_the_weights_stay() -> None:
    weights = weigh({"dense": 0.0, "bm25": 1.0}, {"bm25": np.array([0.0, 0.3])}, 2.0, 2)
    assert weights["dense"].tolist() == [0.0, 0.0]
    assert weights["bm25"].tolist() == pytest.approx([1.0, 1.0])


@given(weights=weights_of_two, coverage=shares, power=powers)
def test_the_weights_of_each_question_add_up_to_those_of_the_fusion(
    weights: dict[str, float], coverage: list[float], power: float
) -> None:
    actual = weigh(weights, {"bm25": np.array(coverage)}, power, len(coverage))
    assert (actual["dense"] + actual["bm25"]).tolist() == pytest.approx([1.0] * len(coverage))
    assert min(actual["dense"].min(), actual["bm25"].min()) >= 0


@given(weights=weights_of_two, coverage=shares, power=powers)
def test_a_list_that_covers_more_counts_more(weights: dict[str, float], coverage: list[float], power: float) -> None:
    actual = weigh(weights, {"bm25": np.sort(coverage)}, power, len(coverage))["bm25"]
    assert (np.diff(actual) >= -1e-12).all()


@given(weights=weights_of_two, power=powers, questions=st.integers(1, 4))
def test_full_coverage_is_the_constant_fusion_to_the_last_bit(
    weights: dict[str, float], power: float, questions: int
) -> None:
    actual = weigh(weights, {"bm25": np.ones(questions)}, power, questions)
    assert {name: set(values.tolist()) for name, values in actual.items()} == {
        name: {weight} for name, weight in weights.items()
    }


@given(weights=weights_of_two, coverage=shares)
def test_without_a_power_coverage_changes_nothing(weights: dict[str, float], coverage: list[float]) -> None:
    actual = weigh(weights, {"bm25": np.array(coverage)}, 0.0, len(coverage))
    assert {name: set(values.tolist()) for name, values in actual.items()} == {
        name: {weight} for name, weight in weights.items()
    }
