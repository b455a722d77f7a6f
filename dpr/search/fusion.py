"""Fusion of result lists into one, in plain numpy; the choice of the defaults is docs/decisions/0005-fusion.md.

The candidates of a question are the passages that any list holds. A method of `dpr.search.methods` turns each list's
scores of all the candidates into values that may be added; a candidate's fused score is Σ weight · value over lists.
What a list says of a candidate that it does not hold is the method's missing-document rule, stated in `MISSING_RULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from dpr.errors import RequestError
from dpr.search.methods import METHODS as METHODS
from dpr.search.methods import MISSING_RULES as MISSING_RULES
from dpr.search.methods import CandidateScores, Statistics, extremes
from dpr.search.weighing import weigh
from dpr.types import BoolArray, DoubleArray, FloatArray, IntArray, TopK
from dpr.value_types import check_fields

RRF_CONSTANT = 60.0
DEFAULT_DEPTH, MAX_DEPTH = 100, 1000
"""How many candidates of each list are fused."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How to fuse: a method of `METHODS`, a weight for each list (None: equal, summing to 1), and RRF's constant.

    ``coverage_power`` sets how strongly a list's weight follows its coverage of a question: see
    `dpr.search.weighing`. At 0, all questions have the same weights. ``depth`` is the number of candidates of
    each list.

    Raises:
        RequestError: the method is unknown, a weight is negative or not finite or all are 0, the constant or the power
            is negative or not finite, or the depth is not in 1..1000; ``field`` names the value.
    """

    method: str = "zscore"
    weights: Mapping[str, float] | None = None
    rrf_constant: float = RRF_CONSTANT
    coverage_power: float = 0.0
    depth: int = DEFAULT_DEPTH

    def __post_init__(self) -> None:
        check_fields(self, partial(RequestError, field="fusion"))
        if self.method not in METHODS:
            names = ", ".join(METHODS)
            raise RequestError(f"unknown fusion method {self.method!r}: choose from {names}", field="fusion")
        for name in ("rrf_constant", "coverage_power"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise RequestError(f"{name} is {value}: it must be 0 or more", field=name)
        if not 1 <= self.depth <= MAX_DEPTH:
            raise RequestError(f"the depth of the fusion is {self.depth}: choose 1 to {MAX_DEPTH}", field="fusion")
        if self.weights is not None:
            _refuse_bad_weights(self.weights)

    @property
    def missing_rule(self) -> str:
        """The missing-document rule, as a sentence."""
        return MISSING_RULES[self.method]

    def weights_for(self, lists: Iterable[str]) -> dict[str, float]:
        """Return the weight of each list.

        Raises:
            RequestError: there is no list, or the weights name other lists than these.
        """
        names = list(lists)
        if not names:
            raise RequestError("there is no result list to fuse: choose at least one retriever", field="fusion")
        if self.weights is None:
            return dict.fromkeys(names, 1.0 / len(names))
        if set(self.weights) != set(names):
            weighted, fused = ", ".join(self.weights), ", ".join(names)
            raise RequestError(f"weights are given for {weighted}: give one for each of {fused}", field="weights")
        return {name: float(self.weights[name]) for name in names}


def _refuse_bad_weights(weights: Mapping[str, float]) -> None:
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise RequestError(f"the weight of {name!r} is {weight}: it must be 0 or more", field="weights")
    if not any(weights.values()):
        raise RequestError("all weights are 0: give at least one list a weight above 0", field="weights")


@dataclass(frozen=True, slots=True)
class FusedList:
    """What one list said of the fused hits, each (Q, k), and the ``statistics`` of the method, (Q, 1) each.

    ``ranks`` is 0 and ``scores`` is nan if the list does not hold the passage; ``scores_used`` are then the
    missing-document rule's. The ``contributions`` of the lists, which are the ``values`` times the list's weight, add
    up to the fused score.
    """

    ranks: IntArray
    scores: DoubleArray
    scores_used: DoubleArray
    values: DoubleArray
    contributions: DoubleArray
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class Fused:
    """The best fused rows: ``rows`` (Q, k) padded with -1, ``scores`` (Q, k) padded with -inf.

    ``lists`` holds the ranks, scores and contributions of each list; ``weights`` holds each list's weight for each
    question, (Q,).
    """

    rows: IntArray
    scores: DoubleArray
    lists: dict[str, FusedList]
    weights: dict[str, DoubleArray]


def fuse(
    lists: Mapping[str, TopK],
    k: int,
    fusion: Fusion,
    passage_id: Callable[[int], str],
) -> Fused:
    """Fuse result lists of the same Q questions and keep the k best passages of each.

    Args:
        lists: each list's rows and scores by name, (Q, d) with its own depth d, best first, and the coverage of each
            question if the list measures it.
        k: the most passages for each question.
        fusion: method, weights, constant and power.
        passage_id: returns the id of a row; ties are ordered by id.

    Raises:
        RequestError: see `Fusion.weights_for`.
    """
    list_weights = fusion.weights_for(lists)
    # Sums of three or more floats depend on their order, so it is the names' and not the mapping's.
    names = sorted(lists)
    candidates, slots = _candidates([lists[name] for name in names])
    coverage = {name: top.coverage for name, top in lists.items() if top.coverage is not None}
    weights = weigh(list_weights, coverage, fusion.coverage_power, len(candidates))
    fused_lists = {
        name: _fused_list(lists[name], slot, candidates >= 0, weights[name], fusion)
        for name, slot in zip(names, slots, strict=True)
    }
    total = np.where(candidates >= 0, sum(fused_list.contributions for fused_list in fused_lists.values()), -np.inf)
    best = _best(total, candidates, k, passage_id)  # (Q, k) slots
    best_lists = {name: _take(fused_lists[name], best) for name in lists}
    cells = np.arange(len(best))[:, None], best
    return Fused(candidates[cells], total[cells], best_lists, weights)


def _candidates(lists: list[TopK]) -> tuple[IntArray, list[IntArray]]:
    """Number the distinct rows of each question: (Q, C) rows by slot, -1 beyond, and each list's slots (Q, d)."""
    rows = np.concatenate([top.rows for top in lists], axis=1)  # (Q, C)
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, 1)
    is_new = (ordered >= 0) & (np.diff(ordered, axis=1, prepend=-1) != 0)
    ordered_slots = np.maximum(np.cumsum(is_new, axis=1) - 1, 0)
    slots = np.empty_like(rows)
    np.put_along_axis(slots, order, ordered_slots, 1)
    candidates = np.full_like(rows, -1)
    candidates[np.nonzero(is_new)[0], ordered_slots[is_new]] = ordered[is_new]
    return candidates, np.split(slots, np.cumsum([top.rows.shape[1] for top in lists])[:-1], axis=1)


def _fused_list(top: TopK, slots: IntArray, exists: BoolArray, weights: DoubleArray, fusion: Fusion) -> FusedList:
    """Align a list with the candidates and multiply its values, (Q, C), by each question's weight, (Q,)."""
    is_hit = top.rows >= 0
    cells = np.nonzero(is_hit)[0], slots[is_hit]
    ranks = np.zeros(exists.shape, dtype=np.int64)
    ranks[cells] = np.nonzero(is_hit)[1] + 1
    scores = np.repeat(_missing_score(top.scores, is_hit), exists.shape[1], axis=1)
    scores[cells] = top.scores[is_hit]
    candidates, method = CandidateScores(ranks, scores, exists), METHODS[fusion.method]
    statistics = method.statistics(candidates, fusion.rrf_constant)
    values = method.values(candidates, statistics)
    own_scores = np.where(ranks > 0, scores, np.nan)
    return FusedList(ranks, own_scores, scores, values, weights[:, None] * values, statistics)


def _missing_score(scores: FloatArray, is_hit: BoolArray) -> DoubleArray:
    """Return the score of a passage that is not in a question's list, (Q, 1).

    A list that ended early is complete: other passages share no term with the question, which is a score of 0 in BM25
    and TF-IDF. The other passages of a full list score at most its lowest score.
    """
    low = extremes(scores.astype(np.float64), is_hit)[0]
    return np.where(is_hit.all(axis=1, keepdims=True), low, np.minimum(low, 0.0))


def _best(total: DoubleArray, candidates: IntArray, k: int, passage_id: Callable[[int], str]) -> IntArray:
    """Return the slots of the k best totals, best first, equal ones by passage id, (Q, k)."""
    order = np.argsort(-total, axis=1, kind="stable")
    ranked = np.take_along_axis(total, order, 1)
    tied = (ranked[:, 1:] == ranked[:, :-1]) & np.isfinite(ranked[:, 1:])
    for question in np.flatnonzero(tied[:, :k].any(axis=1)):
        for first, last in _stretches(tied[question]):
            if first >= k:
                break
            group = order[question, first : last + 1]
            ids = [passage_id(row) for row in candidates[question, group].tolist()]
            order[question, first : last + 1] = [slot for _, slot in sorted(zip(ids, group.tolist(), strict=True))]
    return order[:, :k]


def _stretches(flags: BoolArray) -> list[tuple[int, int]]:
    """Return the (first, end) positions of each stretch of set flags, in order; the end is exclusive."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _take(fused_list: FusedList, slots: IntArray) -> FusedList:
    cells = np.arange(len(slots))[:, None], slots  # several times as fast as np.take_along_axis for few questions
    return FusedList(
        ranks=fused_list.ranks[cells],
        scores=fused_list.scores[cells],
        scores_used=fused_list.scores_used[cells],
        values=fused_list.values[cells],
        contributions=fused_list.contributions[cells],
        statistics=fused_list.statistics,
    )
