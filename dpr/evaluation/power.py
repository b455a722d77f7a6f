"""The smallest difference between two systems that a number of questions can show."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from dpr.evaluation.compare import SIGNIFICANCE, grouped
from dpr.evaluation.metrics import Values
from dpr.types import IntArray

POWER = 0.8


def standard_error(values: Values, groups: IntArray | None = None) -> float:
    """Return the standard error of the mean of values, (Q,), whose questions come in groups.

    The linearized variance of a ratio of sums over G groups (Cochran 1977, section 9.2): with sₕ the sum and nₕ the
    number of a group's values, √(G / (G − 1) · Σ (sₕ − nₕ·mean)²) / Q. Without groups it is the usual one.

    Raises:
        DataError: as `dpr.evaluation.compare.mean_interval`.
    """
    sums, sizes = grouped(values, groups)
    if len(sums) < 2:
        return math.inf
    residuals = sums - sizes * sums.sum() / sizes.sum()
    correction = len(sums) / (len(sums) - 1)
    return float(np.sqrt(correction * (residuals**2).sum()) / sizes.sum())


def smallest_difference(
    differences: Values,
    groups: IntArray | None = None,
    comparisons: int = 1,
    power: float = POWER,
    significance: float = SIGNIFICANCE,
) -> float | None:
    """Return the difference of means that a two-sided test of these questions finds with a probability of ``power``.

    (z₁₋ₐ⸝₂ₘ + z_power) standard errors of the differences, (Q,), for m comparisons (Cohen 1988, chapter 2; for
    retrieval Sakai 2016): a true difference of this size is found significant in a share ``power`` of such benchmarks,
    at the level that Holm's correction asks of the smallest of m p-values. None if the systems never differ, because
    then nothing is known of how differences would vary.
    """
    error = standard_error(differences, groups)
    if error == 0:
        return None
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - significance / (2 * comparisons)) + normal.inv_cdf(power)
    return quantiles * error if math.isfinite(error) else None
