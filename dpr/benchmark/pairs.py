"""Every pair of systems compared: difference, interval, p-value, and the smallest difference that could be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from dpr.evaluation.compare import SEED, SIGNIFICANCE, compare, holm
from dpr.evaluation.metrics import Values
from dpr.evaluation.power import smallest_difference
from dpr.types import IntArray, Progress, no_progress


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems by one metric; the first is the one with the greater mean.

    Attributes:
        metric: the metric's name.
        first: the system with the greater mean.
        second: the other system.
        difference: the first's mean less the second's, 0 or more, as a share.
        low: the lower end of the difference's 95 % interval.
        high: its upper end.
        p_value: of there being no difference, by paired randomization.
        corrected_p_value: the same by Holm's correction, over all pairs of this metric.
        smallest_difference: what these questions show with a probability of 80 %; None if the systems never differ.
        wins: the number of questions that the first does better.
        losses: the number of questions that the second does better.
    """

    metric: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float
    corrected_p_value: float
    smallest_difference: float | None
    wins: int
    losses: int

    @property
    def is_significant(self) -> bool:
        """Whether the corrected p-value is below 5 %."""
        return self.corrected_p_value < SIGNIFICANCE

    def as_json(self) -> dict[str, object]:
        """Return the pair as JSON values."""
        return asdict(self) | {"is_significant": self.is_significant}

    def sentence(self) -> str:
        """Return in words what was found."""
        measured = (
            f"{points(self.difference)} points by {self.metric} (95 % interval {signed(self.low)} to "
            f"{signed(self.high)}, {p_words(self.corrected_p_value)})"
        )
        if self.is_significant:
            return f"{self.first} beats {self.second} by {measured}."
        if self.smallest_difference is None:
            return f"{self.first} and {self.second} have the same {self.metric} for every question."
        return (
            f"{self.first} and {self.second} cannot be told apart: {measured}. A difference of "
            f"{points(self.smallest_difference)} points would have been found 4 times in 5; a smaller one may be there."
        )


def points(share: float) -> str:
    """Return a share in percentage points: ``2.3``, and two digits where one would show 0."""
    return f"{100 * share:.1f}" if abs(share) >= 0.001 or share == 0 else f"{100 * share:.2f}"


def signed(share: float) -> str:
    """Return a difference of shares in percentage points with its sign: ``+2.3``."""
    return f"{100 * share:+.1f}"


def p_words(p_value: float) -> str:
    """Return a p-value as papers write it: ``p = 0.012``, ``p < 0.0001``."""
    return "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}" if p_value < 0.001 else f"p = {p_value:.3f}"


def compare_all(
    values: Mapping[str, Mapping[str, Values]],
    metrics: Sequence[str],
    documents: IntArray | None = None,
    seed: int = SEED,
    progress: Progress = no_progress,
) -> tuple[Pair, ...]:
    """Compare each pair of systems by each metric, with Holm's correction over the pairs of a metric.

    Args:
        values: each system's metrics by question, (Q,) each, by system and metric.
        metrics: the metrics to compare by.
        documents: the number of each question's document, (Q,), which are drawn as a whole; None: questions are.
        seed: of what is drawn at random.
        progress: called after each metric.
    """
    pairs: list[Pair] = []
    progress("compare systems", 0, len(metrics))
    for number, metric in enumerate(metrics, start=1):
        pairs += _by_metric({name: of_system[metric] for name, of_system in values.items()}, metric, documents, seed)
        progress("compare systems", number, len(metrics))
    return tuple(pairs)


def _by_metric(values: Mapping[str, Values], metric: str, documents: IntArray | None, seed: int) -> list[Pair]:
    ordered = [
        (first, second) if values[first].mean() >= values[second].mean() else (second, first)
        for first, second in combinations(values, 2)
    ]
    compared = [compare(values[second], values[first], documents, seed) for first, second in ordered]
    corrected = holm([difference.p_value for difference in compared])
    pairs = []
    for (first, second), difference, p_value in zip(ordered, compared, corrected, strict=True):
        differences = values[first] - values[second]
        pairs.append(
            Pair(
                metric=metric,
                first=first,
                second=second,
                difference=difference.mean,
                low=difference.interval.low,
                high=difference.interval.high,
                p_value=difference.p_value,
                corrected_p_value=p_value,
                smallest_difference=smallest_difference(differences, documents, len(ordered)),
                wins=int(np.count_nonzero(differences > 0)),
                losses=int(np.count_nonzero(differences < 0)),
            )
        )
    return pairs
