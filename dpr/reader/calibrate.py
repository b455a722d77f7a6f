"""When to answer, and how well a probability is calibrated: null threshold and calibration error; numpy only.

A question's *margin* is its null score less its best span score (SQuAD 2.0, Rajpurkar et al. 2018): the lower, the
surer is the reader of its answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpr.errors import DataError
from dpr.evaluation.answers import ANSWER_RULES
from dpr.types import BoolArray, DoubleArray, Example, Reading

BINS = 15


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
