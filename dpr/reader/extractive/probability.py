"""The probability that a question's best answer is right, from the reader's scores; numpy only.

An answer is right if its F1 is at least ``NEAR`` by the rule of the question's script: over characters by KorQuAD's
definition if the question has Hangul, else over words by SQuAD's. The probability is a logistic function of the
`evidence_of` the answer, fitted for each script on questions with retrieved passages (Platt 1999; the method of
Kamath, Jia and Liang 2020, section 4.2, with fewer features).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.errors import ConfigError, DataError
from dpr.evaluation.answers import ANSWER_RULES
from dpr.reader.extractive.merge import PassageSpans
from dpr.text.scripts import has_hangul
from dpr.types import Answer, BoolArray, Candidates, DoubleArray, Reading

HANGUL, OTHER_SCRIPT = "hangul", "other"
RULES = {HANGUL: "korquad-1.0", OTHER_SCRIPT: "squad-1.1"}
"""The answer rule for each script of a question."""

NEAR = 0.8
"""The least F1 of an answer that counts as right."""

FEATURES = ("margin", "share", "lead")
"""Features that grow with the chance that an answer is right, see `evidence_of`."""

LEAST_QUESTIONS = 50
"""A script with fewer questions gets no calibration of its own."""

RIVALS = 5
"""The number of best answers in which to look for a rival with another text."""

_SPANS = 20
_MOST_LEAD = 10.0
_RIDGE = 1.0
_NEWTON_STEPS = 100
_MOST_LOGIT = 30.0

Evidence = Mapping[str, float]


def script_of(question: str) -> str:
    """Return ``hangul`` for a question with a syllable of Hangul, else ``other``."""
    return HANGUL if has_hangul(question) else OTHER_SCRIPT


def is_right(question: str, answer: str, golds: Sequence[str]) -> bool:
    """Tell whether an answer is right; without gold answers, none is."""
    rule = ANSWER_RULES[RULES[script_of(question)]]
    return bool(golds) and max(rule.exact_match(answer, golds), rule.f1(answer, golds)) >= NEAR


def are_right(readings: Sequence[Reading], questions: Sequence[str], golds: Sequence[Sequence[str]]) -> BoolArray:
    """Tell whether the best answer of each reading is right, (Q,); a reading without an answer is not."""
    return np.array(
        [
            bool(reading.answers) and is_right(question, reading.answers[0].text, answers)
            for reading, question, answers in zip(readings, questions, golds, strict=True)
        ],
        dtype=np.bool_,
    )


def evidence_of(item: Candidates, passage_spans: Sequence[PassageSpans], answers: Sequence[Answer]) -> Evidence:
    """Return the `FEATURES` of a question's best answer; ``answers`` are sorted, best first.

    ``margin`` is span score - null score. ``share`` is the logarithm of the answer's share of the probability of the 20
    best spans of its passage: how certain its bounds are. ``lead`` is the distance to the score of the best rival: an
    answer with another text among the first `RIVALS`, at most 10.
    """
    best = answers[0]
    spans = next(
        spans for passage, spans in zip(item.passages, passage_spans, strict=True) if passage.id == best.passage_id
    )
    rival = next((answer.score for answer in answers[1:RIVALS] if answer.text != best.text), -math.inf)
    return {
        "margin": best.span_score - best.null_score,
        "share": best.span_score - float(np.logaddexp.reduce(spans.scores[:_SPANS].astype(np.float64))),
        "lead": min(_MOST_LEAD, best.score - rival),
    }


@dataclass(frozen=True, slots=True)
class Calibration:
    """The probability that an answer is right: σ(``intercept`` + Σ weight · feature), over some of the `FEATURES`."""

    intercept: float
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if unknown := set(self.weights) - set(FEATURES):
            raise ConfigError(
                f"a calibration has a weight of the unknown feature {min(unknown)!r}; choose {', '.join(FEATURES)}"
            )
        if not all(map(math.isfinite, (self.intercept, *self.weights.values()))) or min(self.weights.values()) < 0:
            raise ConfigError(
                f"a calibration has the intercept {self.intercept} and the weights {dict(self.weights)}; they must be "
                "finite, and the weights not below 0; tune the reader again"
            )

    def probability(self, evidence: Evidence) -> float:
        """Return the probability, above 0 and below 1; it never decreases when a feature increases."""
        logit = self.intercept + sum(weight * evidence[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-min(_MOST_LOGIT, max(-_MOST_LOGIT, logit))))


def calibration_for(question: str, calibrations: Mapping[str, Calibration]) -> Calibration | None:
    """Return the calibration for a question's script, else that of the other script; None without either."""
    return calibrations.get(script_of(question)) or next(iter(calibrations.values()), None)


def fit_calibrations(
    questions: Sequence[str], evidence: Sequence[Evidence], right: BoolArray
) -> dict[str, Calibration]:
    """Return the calibration of each script with enough questions; if there is none, one of all questions.

    Args:
        questions: Q questions with an answer.
        evidence: the features of each best answer.
        right: whether the best answer is right, (Q,).

    Raises:
        DataError: all answers are right, or none is, or no feature is higher for the right ones.
    """
    scripts = [script_of(question) for question in questions]
    fitted = {}
    for script in RULES:
        rows = [row for row, of_question in enumerate(scripts) if of_question == script]
        if len(rows) >= LEAST_QUESTIONS and 0 < right[rows].sum() < len(rows):
            fitted[script] = fit_calibration([evidence[row] for row in rows], right[rows])
    if fitted:
        return fitted
    both = fit_calibration(evidence, right)
    return dict.fromkeys(sorted(set(scripts)), both)


def fit_calibration(evidence: Sequence[Evidence], right: BoolArray) -> Calibration:
    """Return the calibration of maximal likelihood with a ridge; features with a negative weight are dropped.

    Raises:
        DataError: all answers are right, or none is, or no feature is higher for the right ones.
    """
    if right.all() or not right.any():
        kind = "every answer is right" if len(right) and right.all() else "no answer is right"
        raise DataError(f"{kind}, so no probability can be fitted; give more questions")
    names = list(FEATURES)
    while names:
        values = np.array([[of_answer[name] for name in names] for of_answer in evidence])  # (Q, F)
        means, spreads = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-9)
        *weights, intercept = _logistic_regression((values - means) / spreads, right.astype(np.float64))
        if min(weights) >= 0 and max(weights) > 0:
            scaled = np.array(weights) / spreads
            counting = {name: weight for name, weight in zip(names, scaled.tolist(), strict=True) if weight > 0}
            return Calibration(float(intercept - scaled @ means), counting)
        del names[int(np.argmin(weights))]
    raise DataError(
        "the reader is more confident of wrong answers than of right ones, which no calibration can fix; train it on "
        "questions of both kinds"
    )


def _logistic_regression(values: DoubleArray, targets: DoubleArray) -> DoubleArray:
    """Return weights and intercept, (F + 1,), by Newton's method with step halving."""
    inputs = np.column_stack([values, np.ones(len(values))])
    ridge = np.full(inputs.shape[1], _RIDGE)
    ridge[-1] = 1e-6  # the intercept is free
    weights = np.zeros(inputs.shape[1])

    def loss(weights: DoubleArray) -> float:
        logits = inputs @ weights
        return float((np.logaddexp(0, logits) - targets * logits).sum() + (ridge * weights**2).sum() / 2)

    for _ in range(_NEWTON_STEPS):
        predicted = 1 / (1 + np.exp(-np.clip(inputs @ weights, -500, 500)))
        gradient = inputs.T @ (predicted - targets) + ridge * weights
        curvature = (inputs * (predicted * (1 - predicted))[:, None]).T @ inputs + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        while loss(weights - step) > loss(weights) and np.abs(step).max() > 1e-12:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights
