"""Significance: against scipy's tests, against sums over every outcome, and on cases known by heart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from dpr.errors import ConfigError, DataError
from dpr.evaluation import compare as module
from dpr.evaluation.compare import compare, compare_runs, holm, mean_interval, sign_flip_p_value
from dpr.evaluation.metrics import Values

REST = [f"other{number}" for number in range(9)]

values = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.25, 1 / 3, 0.5, 1.0]), min_size=2, max_size=9)


def reciprocal_ranks(generator: np.random.Generator, count: int) -> Values:
    ranks = generator.geometric(0.4, count)
    return np.where(ranks <= 10, 1 / ranks, 0.0)


def successes(generator: np.random.Generator, count: int, share: float) -> Values:
    return (generator.random(count) < share).astype(np.float64)


def brute_force(differences: Values) -> float:
    """Return the share of all sign patterns whose sum is at least as far from 0."""
    signs = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    return float((np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9).mean())


@given(pair=values.flatmap(lambda ours: st.tuples(st.just(ours), st.permutations(ours))))
def test_few_differences_are_counted_out(pair: tuple[list[float], list[float]]) -> None:
    differences = np.subtract(*map(np.array, pair)) + np.linspace(0, 0.2, len(pair[0]))
    assert sign_flip_p_value(differences) == pytest.approx(brute_force(differences), abs=1e-12)


def test_p_value_equals_scipy_for_small_n() -> None:
    generator = np.random.default_rng(3)
    ours, theirs = reciprocal_ranks(generator, 12), reciprocal_ranks(generator, 12)
    expected = scipy.stats.permutation_test(
        (theirs, ours), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p_value(theirs - ours) == pytest.approx(expected.pvalue, abs=1e-12)


def test_for_hits_and_misses_it_is_the_sign_test_however_many() -> None:
    generator = np.random.default_rng(5)
    differences = successes(generator, 9000, 0.81) - successes(generator, 9000, 0.80)
    gained, lost = int((differences > 0).sum()), int((differences < 0).sum())
    assert sign_flip_p_value(differences) == pytest.approx(
        scipy.stats.binomtest(gained, gained + lost).pvalue, rel=1e-9
    )


def test_many_outcomes_are_sampled_near_the_exact_p_value(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(11)
    differences = reciprocal_ranks(generator, 14) - reciprocal_ranks(generator, 14)
    exact = sign_flip_p_value(differences)
    monkeypatch.setattr(module, "LARGEST_ENUMERATION", 1)
    sampled = sign_flip_p_value(differences, flips=50_000)
    assert 0.05 < exact < 0.95
    assert sampled != exact
    assert sampled == pytest.approx(exact, abs=5 * (exact * (1 - exact) / 50_000) ** 0.5)


def test_a_sampled_p_value_is_never_nought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_ENUMERATION", 1)
    assert sign_flip_p_value(np.linspace(0.5, 1, 100), flips=99) == 0.01


def test_interval_equals_scipys_percentile_bootstrap() -> None:
    generator = np.random.default_rng(7)
    differences = reciprocal_ranks(generator, 400) - reciprocal_ranks(generator, 400)
    ours = mean_interval(differences, resamples=40_000)
    expected = scipy.stats.bootstrap(
        (differences,), np.mean, n_resamples=40_000, method="percentile", confidence_level=0.95, rng=1, batch=2000
    ).confidence_interval
    tolerance = 0.05 * (expected.high - expected.low)
    assert [ours.low, ours.high] == pytest.approx([expected.low, expected.high], abs=tolerance)


def test_interval_of_two_values_is_known() -> None:
    # the mean of two draws from {0, 1} is 0, 0.5 or 1 with the chances 1/4, 1/2, 1/4
    assert mean_interval(np.array([0.0, 1.0]), confidence=0.95) == module.Interval(0.0, 1.0)
    assert mean_interval(np.array([0.0, 1.0]), confidence=0.4) == module.Interval(0.5, 0.5)


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(13)
    samples = (successes(generator, 300, 0.7) for _ in range(400))
    intervals = [mean_interval(sample, resamples=500) for sample in samples]
    assert np.mean([interval.low <= 0.7 <= interval.high for interval in intervals]) == pytest.approx(0.95, abs=0.03)


def test_no_difference_is_rarely_called_one() -> None:
    generator = np.random.default_rng(17)
    pairs = ((reciprocal_ranks(generator, 50), reciprocal_ranks(generator, 50)) for _ in range(200))
    p_values = [sign_flip_p_value(theirs - ours, flips=500) for ours, theirs in pairs]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.035)


def test_questions_that_share_their_luck_are_less_evidence() -> None:
    generator = np.random.default_rng(19)
    differences = np.repeat(successes(generator, 40, 0.7) - successes(generator, 40, 0.4), 5)
    groups = np.repeat(np.arange(40), 5)
    alone, together = mean_interval(differences), mean_interval(differences, groups)
    widening = (together.high - together.low) / (alone.high - alone.low)
    assert widening == pytest.approx(5**0.5, rel=0.1)
    assert sign_flip_p_value(differences, groups) == pytest.approx(sign_flip_p_value(differences[::5]))
    assert sign_flip_p_value(differences) < sign_flip_p_value(differences, groups)


def test_groups_of_unequal_size_weigh_by_their_questions() -> None:
    differences = np.array([1.0, 1.0, 1.0, 0.0])
    low, high = mean_interval(differences, np.array([4, 4, 4, 9])), mean_interval(differences)
    assert (low.low, low.high) == (0.0, 1.0)
    assert compare(np.zeros(4), differences, np.array([4, 4, 4, 9])).mean == 0.75
    assert high.low > 0


def test_a_comparison_is_the_same_each_time_and_the_other_way_round() -> None:
    generator = np.random.default_rng(23)
    ours, theirs = reciprocal_ranks(generator, 200), reciprocal_ranks(generator, 200)
    actual, turned = compare(ours, theirs), compare(theirs, ours)
    assert actual == compare(ours, theirs)
    assert actual.mean == pytest.approx(theirs.mean() - ours.mean())
    assert turned.mean == pytest.approx(-actual.mean)
    assert turned.p_value == actual.p_value


def test_equal_systems_do_not_differ() -> None:
    same = np.array([1.0, 0.5, 0.0])
    assert compare(same, same) == module.Difference(0.0, module.Interval(0.0, 0.0), 1.0)


def test_memory_is_bounded_by_batches_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(29)
    differences = generator.normal(size=300)
    whole = compare(np.zeros(300), differences)
    monkeypatch.setattr(module, "BATCH_NUMBERS", 300 * 777)
    parts = compare(np.zeros(300), differences)
    assert [parts.interval.low, parts.interval.high] == pytest.approx([whole.interval.low, whole.interval.high])
    assert parts.p_value == whole.p_value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holm_by_hand(given: list[float], expected: list[float]) -> None:
    assert holm(given) == pytest.approx(expected)


def test_runs_are_compared_over_every_judged_question() -> None:
    qrels = {f"q{number}": {"gold": 1} for number in range(8)}
    first = {question: ["gold", *REST] for question in qrels}
    second = {question: [*REST, "gold"] for question in qrels}
    half = {question: first[question] for question in list(qrels)[:4]}
    actual = compare_runs(second, {"first": first, "half": half}, qrels, ["recall@1", "mrr@10"])
    top, mrr = actual["first"]
    assert (top.metric, top.baseline, top.value, top.difference.mean) == ("recall@1", 0.0, 1.0, 1.0)
    assert [mrr.baseline, mrr.value] == pytest.approx([0.1, 1.0])
    assert top.difference.p_value == pytest.approx(2 / 2**8)
    assert top.corrected_p_value == pytest.approx(4 * 2 / 2**8)  # the smallest of four
    assert top.is_significant
    missed, _ = actual["half"]
    assert (missed.value, missed.difference.mean) == (0.5, 0.5)
    assert not missed.is_significant


@pytest.mark.parametrize(
    ("ours", "theirs", "groups", "message"),
    [
        ([1.0, 0.0], [1.0], None, "2 values and the system 1"),
        ([], [], None, "no question to compare on"),
        ([1.0], [float("nan")], None, "not a finite number"),
        ([1.0, 0.0], [0.0, 0.0], [1], "groups for 1 questions, and values for 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    ours: list[float], theirs: list[float], groups: list[int] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        compare(np.array(ours), np.array(theirs), None if groups is None else np.array(groups))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"confidence 95"):
        mean_interval(np.ones(3), confidence=95)
    with pytest.raises(ConfigError, match="0 sign flips"):
        sign_flip_p_value(np.ones(3), flips=0)
