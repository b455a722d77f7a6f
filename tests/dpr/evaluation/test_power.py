"""The smallest difference that questions can show, checked by drawing benchmarks in which it is true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dpr.evaluation.compare import sign_flip_p_value
from dpr.evaluation.power import smallest_difference, standard_error


def test_without_groups_it_is_the_usual_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=500)
    assert standard_error(values) == pytest.approx(stats.sem(values))


def test_groups_of_equal_size_give_the_standard_error_of_their_means() -> None:
    values, groups = np.random.default_rng(2).normal(size=120), np.repeat(np.arange(20), 6)
    assert standard_error(values, groups) == pytest.approx(stats.sem(values.reshape(20, 6).mean(axis=1)))


def test_a_difference_of_that_size_is_found_four_times_in_five() -> None:
    generator, outcomes = np.random.default_rng(3), [-1.0, 0.0, 1.0]
    alike = generator.choice(outcomes, p=[0.1, 0.8, 0.1], size=4000)
    size = smallest_difference(alike)
    assert size is not None
    assert size == pytest.approx(2.8016 * np.sqrt(0.2 / 4000), rel=0.05)
    apart = generator.choice(outcomes, p=[0.1 - size / 2, 0.8, 0.1 + size / 2], size=(400, 4000))
    found = np.mean([sign_flip_p_value(differences) < 0.05 for differences in apart])
    assert found == pytest.approx(0.8, abs=0.06)


def test_more_comparisons_need_a_larger_difference() -> None:
    differences = np.random.default_rng(4).normal(size=100)
    one, many = smallest_difference(differences), smallest_difference(differences, comparisons=15)
    assert one is not None
    assert many is not None
    assert many / one == pytest.approx((stats.norm.ppf(1 - 0.05 / 30) + stats.norm.ppf(0.8)) / 2.8016, rel=1e-3)


def test_systems_that_never_differ_and_single_documents_tell_nothing() -> None:
    assert smallest_difference(np.zeros(50)) is None
    assert smallest_difference(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 0])) is None


def test_p_values_agree_with_scipys_permutation_test() -> None:
    generator = np.random.default_rng(5)
    for size in (30, 300):
        differences = generator.normal(0.08, 1, size)
        theirs = stats.permutation_test(
            (differences, np.zeros(size)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            n_resamples=20_000,
            vectorized=True,
            rng=generator,
        ).pvalue
        spread = 4 * np.sqrt(2 * theirs * (1 - theirs) / 20_000)
        assert sign_flip_p_value(differences) == pytest.approx(theirs, abs=spread)
