"""When to answer and how sure to be: the null threshold, the probability of an answer, and how true it is; numpy only.

A question's *margin* is its null score less its best span score (SQuAD 2.0, Rajpurkar et al. 2018): the lower, the
surer is the reader of its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpr.errors import DataError
from dpr.evaluation.answers import ANSWER_RULES
from dpr.types import Example, Reading

DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BINS = 15
_NEWTON_STEPS = 100
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """The probability of an answer, σ((m_0 - margin) / temperature); ``margin`` is m_0, where it is a half."""

    margin: float
    temperature: float

    def probabilities(self, margins: DoubleArray) -> DoubleArray:
        """Return the probabilities of answers: (Q,) -> (Q,)."""
        exponents = np.clip((margins - self.margin) / self.temperature, -700, 700)
        probabilities: DoubleArray = 1 / (1 + np.exp(exponents))
        return probabilities


def calibrate(margins: DoubleArray, has_answer: BoolArray) -> Calibration:
    """Return the calibration of greatest likelihood: temperature scaling (Guo et al. 2017) with Platt's intercept.

    Args:
        margins: the margins of Q questions, (Q,).
        has_answer: whether the passage that was read answers the question, (Q,).

    Raises:
        DataError: all questions have an answer, or none has, or the margins do not fall where there is one.
    """
    if has_answer.all() or not has_answer.any():
        kind = "every question has an answer" if len(has_answer) and has_answer.all() else "no question has an answer"
        raise DataError(f"{kind}, so that no probability can be fitted; give questions of both kinds")
    targets = _smoothed(has_answer)
    slope, intercept = _logistic_regression(-margins, targets)
    if slope <= 0:
        raise DataError(
            "the reader is surer of questions without an answer than of those with one, which no calibration mends; "
            "train it on questions of both kinds"
        )
    return Calibration(margin=intercept / slope, temperature=1 / slope)


def _smoothed(has_answer: BoolArray) -> DoubleArray:
    """Return Platt's targets (1999, section 2.2), which keep the fit finite where margins part the two kinds."""
    with_answer = int(has_answer.sum())
    without = len(has_answer) - with_answer
    return np.where(has_answer, (with_answer + 1) / (with_answer + 2), 1 / (without + 2))


def _logistic_regression(values: DoubleArray, targets: DoubleArray) -> tuple[float, float]:
    """Return slope and intercept of greatest likelihood, by Newton's method with halved steps."""
    inputs = np.stack([values, np.ones_like(values)], axis=1)  # (Q, 2)
    weights = np.zeros(2)
    loss = _log_loss(inputs @ weights, targets)
    for _ in range(_NEWTON_STEPS):
        predicted = 1 / (1 + np.exp(-np.clip(inputs @ weights, -500, 500)))
        gradient = inputs.T @ (predicted - targets)
        curvature = (inputs * (predicted * (1 - predicted))[:, None]).T @ inputs + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while _log_loss(inputs @ (weights - step), targets) > loss and np.abs(step).max() > 1e-12:
            step = step / 2
        weights = weights - step
        loss = _log_loss(inputs @ weights, targets)
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def _log_loss(logits: DoubleArray, targets: DoubleArray) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).sum())


def expected_calibration_error(probabilities: DoubleArray, happened: BoolArray, bins: int = BINS) -> float:
    """Return the mean distance of probability and frequency over equal bins of [0, 1] (Naeini et al. 2015).

    Each bin weighs as many questions as it holds: Σ |bin| / Q · |mean probability - share that happened|.

    Raises:
        DataError: there are no questions.
    """
    if not len(probabilities):
        raise DataError("there are no questions to judge probabilities by")
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(places, weights=probabilities - happened, minlength=bins)
    return float(np.abs(gaps).sum() / len(probabilities))


def best_threshold(readings: Sequence[Reading], examples: Sequence[Example], rule: str = "squad-2.0") -> float:
    """Return the null threshold of highest mean F1: the official SQuAD 2.0 search over every question's margin.

    Raises:
        DataError: there are no questions.
    """
    if not examples:
        raise DataError("there are no questions to choose a threshold by")
    official = ANSWER_RULES[rule]
    gains = sorted(
        (
            reading.no_answer_score,
            official.f1(reading.answers[0].text, example.question.answers) - float(example.is_impossible),
        )
        for reading, example in zip(readings, examples, strict=True)
        if reading.answers
    )
    best, total, threshold = 0.0, 0.0, gains[0][0] - 1.0 if gains else 0.0
    for margin, gain in gains:  # one more question is answered at each step
        total += gain
        if total > best:
            best, threshold = total, margin
    return threshold


def threshold_for_precision(
    readings: Sequence[Reading], examples: Sequence[Example], precision: float, rule: str = "squad-2.0"
) -> float:
    """Return the highest null threshold at which a share of at least ``precision`` of the answers is exactly right.

    Raises:
        DataError: there are no questions, or no threshold gives as precise answers; the best that one does is named.
    """
    official = ANSWER_RULES[rule]
    judged = sorted(
        (reading.no_answer_score, official.exact_match(reading.answers[0].text, example.question.answers))
        for reading, example in zip(readings, examples, strict=True)
        if reading.answers
    )
    if not judged:
        raise DataError("there are no answers to choose a threshold by")
    margins, right = np.array(judged).T  # (A,) each
    shares = np.cumsum(right) / np.arange(1, len(right) + 1)
    is_last = np.append(margins[1:] > margins[:-1], True)  # questions of one margin are answered together
    reached = np.flatnonzero((shares >= precision) & is_last)
    if not len(reached):
        best = shares[is_last].max()
        raise DataError(
            f"no threshold makes a share of {precision:g} of the answers right; the most precise one reaches "
            f"{best:.3f}: ask for less"
        )
    return float(margins[reached[-1]])
