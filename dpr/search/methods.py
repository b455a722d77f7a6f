"""How a fusion method makes values that may be added of a list's scores: the formulas, and what absence counts.

The values of a method are a formula of the score, or of the rank, and of a few statistics of the question's candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dpr.types import BoolArray, DoubleArray, IntArray

Statistics = Mapping[str, DoubleArray]
"""Numbers of a question's candidates, (Q, 1) each, by their names in a method's formula."""


@dataclass(frozen=True, slots=True)
class CandidateScores:
    """What one list says of the C candidates of Q questions, each (Q, C).

    ``ranks`` is 0 if the list does not hold the candidate, and ``scores`` is then the missing-document rule's.
    ``exists`` is false on the padding of questions with fewer candidates.
    """

    ranks: IntArray
    scores: DoubleArray
    exists: BoolArray


@dataclass(frozen=True, slots=True)
class Method:
    """How a list's scores become values that may be added to another list's.

    Attributes:
        statistics: returns the numbers that the formula takes beside scores and ranks; takes RRF's constant, too.
        values: returns the values, (Q, C); where no candidate exists, they are ignored.
        formula: the formula in words, with the names of the statistics.
        missing_rule: what a list adds for a passage that it does not hold.
    """

    statistics: Callable[[CandidateScores, float], Statistics]
    values: Callable[[CandidateScores, Statistics], DoubleArray]
    formula: str
    missing_rule: str


def _no_statistics(_candidates: CandidateScores, _constant: float) -> Statistics:
    return {}


def _raw(candidates: CandidateScores, _statistics: Statistics) -> DoubleArray:
    """The scores as they are, for lists on one scale."""
    return candidates.scores


def _range(candidates: CandidateScores, _constant: float) -> Statistics:
    low, high = extremes(candidates.scores, candidates.exists)
    return {"low": low, "high": high}


def _minmax(candidates: CandidateScores, of: Statistics) -> DoubleArray:
    """(s − low) / (high − low) over the question's candidates; 0 for all where high = low."""
    return _divided(candidates.scores - of["low"], of["high"] - of["low"])


def _moments(candidates: CandidateScores, _constant: float) -> Statistics:
    """Return the mean, the standard deviation, and the share of a z-score that counts.

    Two candidates always get 1 and −1, so that two lists that disagree would cancel out. Their z-scores are therefore
    multiplied by the gap between the two scores, as a share of the greater magnitude.
    """
    count = np.maximum(candidates.exists.sum(axis=1, keepdims=True), 1)
    mean = np.where(candidates.exists, candidates.scores, 0.0).sum(axis=1, keepdims=True) / count
    deviations = np.where(candidates.exists, candidates.scores - mean, 0.0)
    low, high = extremes(candidates.scores, candidates.exists)
    # Equal scores may leave a tiny deviation by rounding, so the spread decides whether there is one.
    deviation = np.where(high > low, np.sqrt((deviations**2).sum(axis=1, keepdims=True) / count), 0.0)
    share = np.where(count == 2, _divided(high - low, np.maximum(np.abs(high), np.abs(low))), 1.0)
    return {"mean": mean, "deviation": deviation, "share": share}


def _zscore(candidates: CandidateScores, of: Statistics) -> DoubleArray:
    """(s − mean) / standard deviation over the question's candidates; 0 for all where their scores are equal."""
    values: DoubleArray = (
        _divided(np.where(candidates.exists, candidates.scores - of["mean"], 0.0), of["deviation"]) * of["share"]
    )
    return values


def _constant(candidates: CandidateScores, constant: float) -> Statistics:
    return {"constant": np.full((len(candidates.ranks), 1), constant)}


def _reciprocal_rank(candidates: CandidateScores, of: Statistics) -> DoubleArray:
    """1 / (constant + rank), rank from 1 (Cormack, Clarke and Büttcher 2009)."""
    values: DoubleArray = (candidates.ranks > 0) / np.maximum(of["constant"] + candidates.ranks, 1.0)
    return values


def extremes(values: DoubleArray, mask: BoolArray) -> tuple[DoubleArray, DoubleArray]:
    """Return the lowest and the highest value under the mask, (Q, 1) each; 0 if the mask is empty."""
    low = np.where(mask, values, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(mask, values, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    anything = mask.any(axis=1, keepdims=True)
    return np.where(anything, low, 0.0), np.where(anything, high, 0.0)


def _divided(values: DoubleArray, spread: DoubleArray) -> DoubleArray:
    return np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)


_LOWEST = (
    "a passage absent from a list takes the list's lowest score; where the list ended before the candidate depth, "
    "it takes 0, or the lowest score if that is below 0"
)
_NOTHING = "a passage absent from a list gets nothing from it"

METHODS: dict[str, Method] = {
    "zscore": Method(_moments, _zscore, "(score - mean) / deviation * share, and 0 if the deviation is 0", _LOWEST),
    "minmax": Method(_range, _minmax, "(score - low) / (high - low), and 0 if high is low", _LOWEST),
    "raw": Method(_no_statistics, _raw, "score", _LOWEST),
    "rrf": Method(_constant, _reciprocal_rank, "1 / (constant + rank), and 0 without a rank", _NOTHING),
}

MISSING_RULES: dict[str, str] = {name: method.missing_rule for name, method in METHODS.items()}
