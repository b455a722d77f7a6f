"""The choice of weights: the grid, the weights within one standard error, and the cross-validated gain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.evaluation.metrics import Values
from dpr.tuning.one_standard_error import _standard_errors, choose, cross_validate, weight_grid
from dpr.types import IntArray

GRID = weight_grid(2)


def curve(means: list[float], noise: float, questions: int = 200) -> Values:
    """Return values whose means are these and whose differences between points have this spread, (W, Q)."""
    generator = np.random.default_rng(1)
    jitter = generator.normal(scale=noise, size=(len(means), questions))
    values: Values = np.array(means)[:, None] + jitter - jitter.mean(axis=1, keepdims=True)
    return values


def each_alone(questions: int) -> IntArray:
    return np.arange(questions)


@pytest.mark.parametrize(("lists", "points"), [(2, 21), (3, 231)])
def test_the_grid_holds_every_weight_in_steps_and_each_list_alone(lists: int, points: int) -> None:
    grid = weight_grid(lists)
    assert grid.shape == (points, lists)
    assert (grid.sum(axis=1) == 20).all()
    assert grid.min() == 0
    assert len({tuple(point) for point in grid.tolist()}) == points
    assert {tuple(row) for row in (20 * np.eye(lists, dtype=int)).tolist()} <= {tuple(row) for row in grid.tolist()}


def test_a_sharp_peak_is_chosen_itself() -> None:
    means = [1 - abs(weight - 13) / 20 for weight in range(21)]
    choice = choose(GRID, curve(means, 0.001), np.zeros((21, 200)), each_alone(200))
    assert (choice.best, choice.within_error, choice.selected) == (13, (13,), 13)


@pytest.mark.parametrize(("first", "chosen"), [(8, 10), (12, 12), (3, 7), (0, 4), (16, 16)])
def test_of_a_flat_top_the_nearest_to_equal_weights_is_chosen_and_not_the_highest(first: int, chosen: int) -> None:
    means = [0.5] * first + [0.9, 0.9, 0.9, 0.901, 0.9] + [0.5] * (16 - first)
    choice = choose(GRID, curve(means, 0.1), np.zeros((21, 200)), each_alone(200))
    assert (choice.best, choice.within_error, choice.selected) == (first + 3, tuple(range(first, first + 5)), chosen)


@pytest.mark.parametrize(("first", "chosen"), [(8, 12), (12, 15), (3, 7), (16, 16)])
def test_weights_of_its_own_may_take_the_place_of_equal_ones(first: int, chosen: int) -> None:
    means = [0.5] * first + [0.9, 0.9, 0.9, 0.901, 0.9] + [0.5] * (16 - first)
    choice = choose(GRID, curve(means, 0.1), np.zeros((21, 200)), each_alone(200), (3.0, 1.0))
    assert choice.selected == chosen


def test_weights_beyond_a_fall_of_the_curve_are_not_within_one_standard_error() -> None:
    means = [0.9, 0.9, 0.5, *[0.4] * 15, 0.9, 0.901, 0.9]
    choice = choose(GRID, curve(means, 0.1), np.zeros((21, 200)), each_alone(200))
    assert choice.within_error == (18, 19, 20)


def test_a_list_alone_is_chosen_where_it_is_best_and_equal_weights_are_not_as_good() -> None:
    means = [0.5] * 16 + [0.9, 0.9, 0.9, 0.9, 0.901]
    choice = choose(GRID, curve(means, 0.1), np.zeros((21, 200)), each_alone(200))
    assert (choice.best, choice.within_error, choice.selected) == (20, (16, 17, 18, 19, 20), 20)


def test_of_two_points_as_near_to_equal_weights_the_better_is_chosen() -> None:
    grid = np.array([[0, 3], [1, 2], [2, 1], [3, 0]])
    choice = choose(grid, curve([0.5, 0.9, 0.901, 0.5], 0.1), np.zeros((4, 200)), each_alone(200))
    assert (choice.within_error, choice.selected) == ((1, 2), 2)


def test_equal_objectives_are_decided_by_the_other_metric() -> None:
    values, ties = np.ones((21, 4)), np.zeros((21, 4))
    ties[6] = 1.0
    choice = choose(GRID, values, ties, each_alone(4))
    assert choice.best == 6
    assert choice.selected == 10  # all are equal, so all are within one standard error


def test_fewer_questions_draw_the_choice_towards_equal_weights() -> None:
    means = [0.5 + 0.01 * weight for weight in range(21)]
    many, few = (
        choose(GRID, curve(means, 0.5, count), np.zeros((21, count)), each_alone(count)) for count in (20_000, 20)
    )
    assert many.selected == 20
    assert 10 <= few.selected < 19


def test_standard_error_is_the_usual_one_for_single_questions_and_wider_in_groups() -> None:
    values = np.random.default_rng(2).normal(size=(3, 50))
    expected = values.std(axis=1, ddof=1) / 50**0.5
    assert _standard_errors(values, np.arange(50)) == pytest.approx(expected)
    repeated = np.repeat(values, 4, axis=1)
    shuffled = np.random.default_rng(3).permutation(200)
    assert _standard_errors(repeated[:, shuffled], np.repeat(np.arange(50), 4)[shuffled]) == pytest.approx(expected)
    assert _standard_errors(values, np.zeros(50, dtype=np.int64)).tolist() == [0, 0, 0]


@given(
    means=st.lists(st.integers(0, 10), min_size=231, max_size=231),
    noise=st.sampled_from([0.0, 1.0, 20.0]),
)
def test_the_selected_point_is_always_within_one_standard_error(means: list[int], noise: float) -> None:
    grid = weight_grid(3)
    choice = choose(grid, curve([mean / 10 for mean in means], noise, 10), np.zeros((231, 10)), each_alone(10))
    assert {choice.best, choice.selected} <= set(choice.within_error)


def test_cross_validation_finds_a_gain_that_is_there() -> None:
    means = [0.9 - 0.02 * abs(weight - 15) for weight in range(21)]
    values = curve(means, 0.1)
    groups = np.repeat(np.arange(40), 5)
    held_out = cross_validate(GRID, values, np.zeros(values.shape), groups, 5)
    assert held_out is not None
    assert held_out.folds == 5
    assert held_out.value == pytest.approx(0.9, abs=0.02)
    assert held_out.over_list.mean == pytest.approx(0.1, abs=0.02)  # the last point, one list alone, has 0.8
    assert held_out.over_list.interval.low > 0.05
    assert held_out.over_default.mean == pytest.approx(0.1, abs=0.02)


def test_cross_validation_is_not_fooled_by_chance() -> None:
    generator = np.random.default_rng(4)
    fitted, held_out = [], []
    for _ in range(40):
        values = (generator.random((21, 200)) < 0.5).astype(np.float64)  # no weights are better than others
        fitted.append(values.mean(axis=1).max() - values[10].mean())
        found = cross_validate(GRID, values, np.zeros(values.shape), each_alone(200), 5)
        assert found is not None
        held_out.append(found.over_default.mean)
    assert np.mean(fitted) > 0.05
    assert abs(np.mean(held_out)) < 0.015


def test_no_group_is_fitted_and_measured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.repeat(np.arange(7), [9, 1, 1, 3, 1, 4, 2])
    fitted: list[set[int]] = []

    def spy(grid: IntArray, values: Values, ties: Values, groups: IntArray, default: None) -> object:
        fitted.append(set(groups.tolist()))
        return choose(grid, values, ties, groups, default)

    monkeypatch.setattr("dpr.tuning.one_standard_error.choose", spy)
    cross_validate(GRID, curve([0.5] * 21, 1.0, 21), np.zeros((21, 21)), groups, 3)
    held = [set(range(7)) - each for each in fitted]
    assert sorted(group for each in held for group in each) == list(range(7))
    assert held[0] == {0}  # nine questions: more than all the others of a fair third


@pytest.mark.parametrize(("groups", "folds"), [([0, 0, 0, 0], 5), ([0, 1, 2, 3], 0), ([0, 1, 2, 3], 1)])
def test_there_is_nothing_to_cross_validate_without_two_folds(groups: list[int], folds: int) -> None:
    assert cross_validate(GRID, np.zeros((21, 4)), np.zeros((21, 4)), np.array(groups), folds) is None
