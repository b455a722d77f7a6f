"""Risk and coverage: how many of the answers are wrong when only the surest share of the questions is answered.

El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification"; the area under the curve is that
of Geifman and El-Yaniv 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpr.errors import DataError
from dpr.evaluation.metrics import Values


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """The risk, (Q,), of answering the surest 1/Q, 2/Q, … 1 of the questions (``coverage``, (Q,))."""

    coverage: Values
    risk: Values

    @property
    def area(self) -> float:
        """The mean risk over all coverages: less is better."""
        return float(self.risk.mean())


def risk_coverage(confidence: Values, quality: Values) -> RiskCoverage:
    """Return the curve of answers of a quality in [0, 1], (Q,), ordered by confidence, (Q,), the surest first.

    Questions of equal confidence are answered in any order: each gets their mean risk.

    Raises:
        DataError: there are no questions.
    """
    if not len(confidence):
        raise DataError("there are no answers to draw risk and coverage of")
    _, level = np.unique(-confidence, return_inverse=True)
    means = np.bincount(level, weights=1 - quality) / np.bincount(level)
    losses = np.sort(level)  # the surest kind first
    counted = np.arange(1, len(confidence) + 1)
    return RiskCoverage(counted / len(confidence), np.cumsum(means[losses]) / counted)
