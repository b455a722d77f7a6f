"""Paired significance tests of the difference between two systems over the same questions.

A system is an array of one metric's values, one for each question, in the same order for every system: what
`dpr.evaluation.metrics.per_question` gives, where a question that a system did not answer has 0. Both tests work on
the differences question by question, so that easy and hard questions do not blur the comparison.

Questions are drawn, or their signs flipped, one by one; where they come in ``groups`` that share their luck, such as
the questions on one article, whole groups are, since the questions of a group are not as much evidence as so many
unrelated ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.errors import ConfigError, DataError
from dpr.evaluation.metrics import Qrels, Run, Values, per_question
from dpr.types import IntArray

SIGNIFICANCE = 0.05
CONFIDENCE = 0.95
RESAMPLES = 10_000
FLIPS = 20_000
SEED = 2007
LARGEST_ENUMERATION = 2**20
"""Most outcomes of sign flips that are enumerated, not sampled."""
BATCH_NUMBERS = 2**22
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a mean, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A system's mean less the baseline's, its confidence interval, and the p-value of there being no difference."""

    mean: float
    interval: Interval
    p_value: float


def compare(baseline: Values, system: Values, groups: IntArray | None = None, seed: int = SEED) -> Difference:
    """Compare a system with a baseline on the same questions.

    Args:
        baseline: the baseline's values, (Q,).
        system: the system's values, (Q,), in the same order.
        groups: for each question the number of its group, (Q,); None: every question is its own.
        seed: of what is drawn at random.

    Raises:
        DataError: the arrays differ in length, are empty, or hold what is not a number.
    """
    if baseline.shape != system.shape:
        raise DataError(
            f"the baseline has {len(baseline)} values and the system {len(system)}: compare both on the same questions"
        )
    differences = system - baseline
    interval = mean_interval(differences, groups, seed=seed)
    return Difference(float(differences.mean()), interval, sign_flip_p_value(differences, groups, seed=seed))


def mean_interval(
    values: Values,
    groups: IntArray | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Return the bootstrap percentile interval of the mean of values, (Q,); of differences, it is the paired one.

    The percentile interval of Efron (1979; Efron and Tibshirani 1993, chapter 13): the quantiles of the means of Q
    values drawn from these with replacement; with groups, of as many whole groups as there are. Equal values are
    drawn together, as the multinomial count of how often they came, which is the same distribution in less time.

    Raises:
        ConfigError: the confidence is not between 0 and 1, or there is no resample.
        DataError: there is no value, one is not a number, or the groups are not those of as many questions.
    """
    if not 0 < confidence < 1 or resamples < 1:
        raise ConfigError(
            f"confidence {confidence} with {resamples} resamples: give a confidence between 0 and 1, and 1 or more"
        )
    sums, sizes = grouped(values, groups)
    units, counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)  # (2, U), (U,)
    shares = counts / len(sums)

    def draw(generator: np.random.Generator, size: int) -> Values:
        samples = generator.multinomial(len(sums), shares, size) @ units.T  # (size, 2)
        means: Values = samples[:, 0] / samples[:, 1]
        return means

    means = _in_batches(draw, resamples, len(counts), seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Interval(low, high)


def sign_flip_p_value(
    differences: Values, groups: IntArray | None = None, flips: int = FLIPS, seed: int = SEED
) -> float:
    """Return the two-sided p-value of Fisher's randomization test, paired, for differences (Q,).

    If the systems were alike, each question's two values could as well have been the other way round: the p-value is
    the share of all sign patterns that give a sum at least as far from 0 as the one seen (Smucker, Allan and
    Carterette 2007, who recommend it for retrieval). Few outcomes are enumerated, which is exact: for differences of
    -1, 0 and 1 always, where it is the sign test. Of more, ``flips`` patterns are drawn, and the pattern seen counts
    as one of them, so that p is never 0 (Davison and Hinkley 1997, section 4.2.5).

    Raises:
        ConfigError: there is no flip.
        DataError: as `mean_interval`.
    """
    if flips < 1:
        raise ConfigError(f"{flips} sign flips: draw 1 or more")
    sums, _ = grouped(differences, groups)
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)  # (U,) each
    least = abs(sums.sum()) - ROUNDING * np.abs(sums).sum()
    if math.prod((counts + 1).tolist()) <= LARGEST_ENUMERATION:
        outcomes, chances = _enumerated(sizes, counts)
        return min(1.0, float(chances[np.abs(outcomes) >= least].sum()))

    def draw(generator: np.random.Generator, size: int) -> Values:
        positive = generator.binomial(counts, 0.5, (size, len(counts)))
        flipped: Values = (2 * positive - counts) @ sizes
        return flipped

    flipped = _in_batches(draw, flips, len(counts), seed)
    return float((1 + (np.abs(flipped) >= least).sum()) / (1 + flips))


def grouped(values: Values, groups: IntArray | None) -> tuple[Values, Values]:
    """Return the sum of each group's values and the number of its questions, (G,) each, of groups that have any."""
    if not len(values) or not np.isfinite(values).all():
        cause = "there is no question to compare on" if not len(values) else "a value is not a finite number"
        raise DataError(f"{cause}: give one value for each judged question")
    if groups is None:
        return values.astype(np.float64), np.ones(len(values))
    if groups.shape != values.shape:
        raise DataError(
            f"there are groups for {len(groups)} questions, and values for {len(values)}: give one for each"
        )
    sizes = np.bincount(groups).astype(np.float64)
    sums = np.bincount(groups, weights=values).astype(np.float64)
    return sums[sizes > 0], sizes[sizes > 0]


def _enumerated(sizes: Values, counts: IntArray) -> tuple[Values, Values]:
    """Return every sum that flipping ``counts`` differences of each size can give, and its chance."""
    outcomes, chances = np.zeros(1), np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        positive = np.arange(count + 1)
        outcomes = np.add.outer(outcomes, size * (2 * positive - count)).ravel()
        chances = np.multiply.outer(chances, _binomial(count)).ravel()
    return outcomes, chances


def _binomial(count: int) -> Values:
    """Return the chance of 0, 1, …, count heads in as many throws of a fair coin, (count + 1,)."""
    logarithms = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])  # of the factorials
    chances: Values = np.exp(logarithms[-1] - logarithms - logarithms[::-1] - count * math.log(2))
    return chances


def _in_batches(draw: Callable[[np.random.Generator, int], Values], total: int, width: int, seed: int) -> Values:
    """Draw ``total`` numbers, each out of ``width`` random ones, in bounded memory."""
    generator = np.random.default_rng(seed)
    batch = max(1, BATCH_NUMBERS // max(1, width))
    return np.concatenate([draw(generator, min(batch, total - start)) for start in range(0, total, batch)])


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for being several, in their order (Holm 1979).

    The i-th smallest of m, from 0, is multiplied by m - i and is at least as large as those before it, at most 1. The
    chance of any false alarm among all is then below the level, however the tests depend on each other.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p_values)[order]), 1.0)
    return corrected.tolist()


@dataclass(frozen=True, slots=True)
class Compared:
    """A system against the baseline by one metric; ``corrected_p_value`` is Holm's over the whole comparison."""

    metric: str
    baseline: float
    value: float
    difference: Difference
    corrected_p_value: float

    @property
    def is_significant(self) -> bool:
        """Whether the corrected p-value is below 5 %."""
        return self.corrected_p_value < SIGNIFICANCE


def compare_runs(
    baseline: Run, systems: Mapping[str, Run], qrels: Qrels, metrics: Sequence[str], seed: int = SEED
) -> dict[str, list[Compared]]:
    """Compare runs with a baseline by each metric, over all judged questions; return the results by system.

    Raises:
        ConfigError: a metric's name is unknown.
        DataError: there is no judged question, or a run lists a passage twice for one question.
    """
    ours = per_question(baseline, qrels, metrics)
    theirs = {name: per_question(run, qrels, metrics) for name, run in systems.items()}
    differences = {
        (name, metric): compare(ours[metric], values[metric], seed=seed)
        for name, values in theirs.items()
        for metric in ours
    }
    corrected = holm([difference.p_value for difference in differences.values()])
    compared: dict[str, list[Compared]] = {name: [] for name in systems}
    for ((name, metric), difference), p_value in zip(differences.items(), corrected, strict=True):
        means = float(ours[metric].mean()), float(theirs[name][metric].mean())
        compared[name].append(Compared(metric, *means, difference, p_value))
    return compared
