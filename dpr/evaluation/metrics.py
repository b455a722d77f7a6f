"""Ranking metrics, equal to trec_eval's, averaged over every judged question.

A *run* holds, for each question id, the passage ids that a system retrieved, best first. *Qrels* hold, for each
question id, the grades of its judged passages: above 0 is relevant, anything not listed is not. A judged question
that the run does not answer scores 0; a question of the run that nobody judged is left out.

Notation of the formulas: ``g_r`` is the grade of the passage at rank r (0 if it is not relevant), ``R`` the number
of the question's relevant passages, and the sums run over r = 1 … k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.data.qrels import MAX_GRADE, is_grade
from dpr.errors import ConfigError, DataError
from dpr.types import DoubleArray, IntArray

Run = Mapping[str, Sequence[str]]
Qrels = Mapping[str, Mapping[str, int]]
Values = DoubleArray
"""One value for each question, (Q,)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What Q judged questions got, and what they could have got; the questions are in the order of the qrels.

    ``retrieved`` (Q, depth): the grade of the passage at each rank, 0 if it is not relevant or nothing was found.
    ``ideal`` (Q, J): the grades of the question's relevant passages, best first, padded with 0.
    """

    retrieved: IntArray
    ideal: IntArray

    @property
    def relevant(self) -> IntArray:
        """The number of relevant passages of each question, (Q,)."""
        counts: IntArray = (self.ideal > 0).sum(axis=1)
        return counts


Metric = Callable[[Judged, int], Values]


def judge(run: Run, qrels: Qrels, depth: int) -> Judged:
    """Look up the grades of the first ``depth`` passages of every judged question.

    Raises:
        DataError: there is no judged question, a grade is too large, or the run lists a passage twice for a question.
    """
    if not qrels:
        raise DataError("there is no judged question to average over: the qrels are empty; give others")
    retrieved = np.zeros((len(qrels), depth), dtype=np.int64)
    ideal = np.zeros((len(qrels), max(map(len, qrels.values()))), dtype=np.int64)
    for number, (question, grades) in enumerate(qrels.items()):
        ranked = run.get(question, ())
        _refuse_repeated(question, ranked)
        if too_large := next((grade for grade in grades.values() if not is_grade(grade)), 0):
            raise DataError(f"question {question!r} has the grade {too_large}; give grades of at most {MAX_GRADE:,}")
        retrieved_grades = [grades.get(passage, 0) for passage in ranked[:depth]]
        retrieved[number, : len(retrieved_grades)] = retrieved_grades
        ideal[number, : len(grades)] = sorted(grades.values(), reverse=True)
    return Judged(retrieved.clip(min=0), ideal.clip(min=0))


def _refuse_repeated(question: str, ranked: Sequence[str]) -> None:
    if len(set(ranked)) == len(ranked):
        return
    repeated = next(passage for number, passage in enumerate(ranked) if passage in ranked[:number])
    raise DataError(f"the run lists passage {repeated!r} twice for question {question!r}; keep its best rank only")


def success(judged: Judged, k: int) -> Values:
    """Success@k = 1 if any g_r > 0, else 0: the "top-k retrieval accuracy" of the DPR paper (Karpukhin et al. 2020)."""
    return (_relevant_count(judged, k) > 0).astype(np.float64)


def recall(judged: Judged, k: int) -> Values:
    """Recall@k = |{r : g_r > 0}| / R. With one relevant passage for each question this is success@k."""
    shares: Values = _relevant_count(judged, k) / np.maximum(judged.relevant, 1)
    return shares


def _relevant_count(judged: Judged, k: int) -> IntArray:
    counts: IntArray = (judged.retrieved[:, :k] > 0).sum(axis=1)
    return counts


def reciprocal_rank(judged: Judged, k: int) -> Values:
    """RR@k = 1 / min{r : g_r > 0}, and 0 without a relevant passage in the first k; its mean is MRR@k."""
    relevant = judged.retrieved[:, :k] > 0
    ranks = np.arange(1, relevant.shape[1] + 1)
    values: Values = (relevant / ranks).max(axis=1, initial=0.0)
    return values


def average_precision(judged: Judged, k: int) -> Values:
    """AP@k = Σ [g_r > 0] · |{s ≤ r : g_s > 0}| / r, divided by R; its mean is MAP@k, trec_eval's ``map_cut``."""
    relevant = judged.retrieved[:, :k] > 0
    precision = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
    values: Values = (relevant * precision).sum(axis=1) / np.maximum(judged.relevant, 1)
    return values


def r_precision(judged: Judged, k: int) -> Values:  # noqa: ARG001 - the depth is the question's own
    """R-precision = |{r ≤ R : g_r > 0}| / R: the share of relevant passages among as many as there are."""
    is_counted = np.arange(judged.retrieved.shape[1]) < judged.relevant[:, None]  # (Q, depth)
    values: Values = ((judged.retrieved > 0) & is_counted).sum(axis=1) / np.maximum(judged.relevant, 1)
    return values


def ndcg(judged: Judged, k: int) -> Values:
    """NDCG@k = DCG@k / DCG@k of the ideal order, with DCG@k = Σ g_r / log2(r + 1).

    The gain is the grade itself (Järvelin and Kekäläinen 2002), as in trec_eval's ``ndcg_cut``, not 2^g − 1.
    """
    gain, ideal = _discounted_gain(judged.retrieved, k), _discounted_gain(judged.ideal, k)
    return np.divide(gain, ideal, out=np.zeros(len(ideal)), where=ideal > 0)


def _discounted_gain(grades: IntArray, k: int) -> Values:
    first = grades[:, :k]
    gain: Values = (first / np.log2(np.arange(2, first.shape[1] + 2))).sum(axis=1)
    return gain


METRICS: dict[str, Metric] = {
    "success": success,
    "recall": recall,
    "mrr": reciprocal_rank,
    "map": average_precision,
    "ndcg": ndcg,
}
"""The metrics with a depth, ``@k``."""

MAX_DEPTH = 10_000
"""The deepest that is measured: a row of so many grades is held for each question."""

R_PRECISION = "rprec"
"""The metric whose depth is the number of a question's relevant passages."""


def per_question(run: Run, qrels: Qrels, names: Sequence[str]) -> dict[str, Values]:
    """Return each named metric (``recall@20``) for every judged question, (Q,), in the order of the qrels.

    Raises:
        ConfigError: a name is not a metric, ``@`` and a depth of at least 1.
        DataError: see `judge`.
    """
    metrics = {name: parse_metric(name) for name in names}
    depths = [k for _, k in metrics.values()]
    if R_PRECISION in metrics:
        depths.append(max(map(len, qrels.values()), default=1))
    judged = judge(run, qrels, max(depths, default=1))
    return {name: metric(judged, k) for name, (metric, k) in metrics.items()}


def evaluate(run: Run, qrels: Qrels, names: Sequence[str]) -> dict[str, float]:
    """Return the mean of each named metric over all judged questions; raises as `per_question` does."""
    return {name: float(values.mean()) for name, values in per_question(run, qrels, names).items()}


def recall_curve(run: Run, qrels: Qrels, depth: int) -> Values:
    """Return mean recall@1, recall@2, …, recall@depth, (depth,); raises as `judge` does."""
    judged = judge(run, qrels, depth)
    relevant_count = np.cumsum(judged.retrieved > 0, axis=1)  # (Q, depth)
    curve: Values = (relevant_count / np.maximum(judged.relevant, 1)[:, None]).mean(axis=0)
    return curve


def parse_metric(name: str) -> tuple[Metric, int]:
    """Return the metric of a name such as ``recall@20``, and its depth; ``rprec`` has none, given as 1.

    Raises:
        ConfigError: the name is not a metric, ``@`` and a depth from 1 to `MAX_DEPTH`.
    """
    if name == R_PRECISION:
        return r_precision, 1
    metric, at, depth = name.partition("@")
    if metric not in METRICS or not at or not depth.isdecimal() or not 1 <= int(depth) <= MAX_DEPTH:
        names = ", ".join(f"{metric_name}@k" for metric_name in METRICS)
        raise ConfigError(
            f"unknown metric {name!r}: choose from {names} or {R_PRECISION}, with k a number from 1 to {MAX_DEPTH:,}"
        )
    return METRICS[metric], int(depth)
