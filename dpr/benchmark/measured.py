"""A mean over questions, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.evaluation.compare import SEED, mean_interval
from dpr.evaluation.metrics import Values
from dpr.types import IntArray


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean over questions, and its 95 % interval."""

    value: float
    low: float
    high: float


def measured(values: Values, documents: IntArray | None, seed: int = SEED) -> Measured:
    """Return the mean of values by question, (Q,), with its bootstrap interval."""
    interval = mean_interval(values, documents, seed=seed)
    return Measured(float(values.mean()), interval.low, interval.high)
