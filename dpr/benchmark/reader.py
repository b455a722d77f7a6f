"""Benchmark of a reader over gold passages: answers, "no answer" and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dpr.errors import ConfigError, DataError
from dpr.evaluation.answers import ANSWER_RULES, AnswerRule
from dpr.evaluation.calibration_error import expected_calibration_error
from dpr.evaluation.metrics import Values
from dpr.evaluation.risk import RiskCoverage, risk_coverage
from dpr.reader.extractive.probability import are_right, script_of
from dpr.types import BoolArray, Candidates, Example, Progress, Reader, Reading, no_progress

_QUESTIONS_AT_ONCE = 64

SURE = 0.9
"""Answers with at least this probability count as sure."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Precision, recall and accuracy of "no answer", as shares."""

    questions: int
    precision: float
    recall: float
    accuracy: float


@dataclass(frozen=True, slots=True, eq=False)
class ReaderScores:
    """A reader's scores on Q questions, by an official rule.

    ``exact_match`` and ``f1`` hold each question's score, (Q,), from 0 to 1. ``no_answer`` is None if every question
    has an answer. ``curve`` is the risk of its answers by the margin. ``probabilities`` are the `score_probabilities`,
    empty for a reader without a probability.
    """

    rule: str
    exact_match: Values
    f1: Values
    no_answer: NoAnswer | None
    curve: RiskCoverage
    probabilities: Mapping[str, float] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """Return the means by name, as shares."""
        means = {"exact_match": float(self.exact_match.mean()), "f1": float(self.f1.mean())}
        if self.no_answer is not None:
            means |= {
                "no_answer_precision": self.no_answer.precision,
                "no_answer_recall": self.no_answer.recall,
                "no_answer_accuracy": self.no_answer.accuracy,
            }
        return means | dict(self.probabilities) | {"area_under_risk_coverage": self.curve.area}


def choose_rule(examples: Sequence[Example], is_korean: bool = False) -> str:
    """Return the answer rule that a data set's own evaluation uses."""
    if is_korean:
        return "korquad-1.0"
    return "squad-2.0" if any(example.is_impossible for example in examples) else "squad-1.1"


def check_rule(rule: str) -> AnswerRule:
    """Return an answer rule by its name.

    Raises:
        ConfigError: the name is unknown.
    """
    if rule not in ANSWER_RULES:
        raise ConfigError(f"unknown answer rule {rule!r}; choose {', '.join(ANSWER_RULES)}")
    return ANSWER_RULES[rule]


def evaluate_reader(reader: Reader, examples: Sequence[Example], rule: str) -> ReaderScores:
    """Read each question's own passage and score the answers, see `score_readings`.

    Raises:
        DataError: there are no questions.
        ConfigError: the rule is unknown.
    """
    check_rule(rule)
    return score_readings(read_gold(reader, examples), examples, rule)


def read_gold(reader: Reader, examples: Sequence[Example], progress: Progress = no_progress) -> list[Reading]:
    """Return the reading of each question over its first positive passage.

    Raises:
        DataError: there are no questions.
    """
    if not examples:
        raise DataError("there are no questions to read; choose a data set with questions and answers")
    readings: list[Reading] = []
    progress("read", 0, len(examples))
    for first in range(0, len(examples), _QUESTIONS_AT_ONCE):
        chunk = examples[first : first + _QUESTIONS_AT_ONCE]
        readings += reader.read([Candidates(item.question.text, item.positives[:1], (0.0,)) for item in chunk])
        progress("read", len(readings), len(examples))
    return readings


def score_readings(
    readings: Sequence[Reading],
    examples: Sequence[Example],
    rule: str,
    has_answer: BoolArray | None = None,
) -> ReaderScores:
    """Score the readings of questions.

    The SQuAD 2.0 rule scores "no answer"; the other rules always score the best span. ``has_answer``, (Q,), marks the
    questions with an answer in the passages; by default those that are not impossible.
    Probabilities are judged by whether the best answer is right, see `dpr.reader.extractive.probability`.

    Raises:
        DataError: there are no questions.
        ConfigError: the rule is unknown.
    """
    official = check_rule(rule)
    predictions = [prediction(reading, official) for reading in readings]
    golds = [example.question.answers for example in examples]
    pairs = list(zip(predictions, golds, strict=True))
    exact_match = np.array([official.exact_match(*pair) for pair in pairs])
    best = [reading.answers[0].text if reading.answers else "" for reading in readings]
    quality = np.array([official.exact_match(*pair) if pair[1] else 0.0 for pair in zip(best, golds, strict=True)])
    answerable = np.array([not example.is_impossible for example in examples]) if has_answer is None else has_answer
    confidence = -np.array([reading.no_answer_score for reading in readings])
    return ReaderScores(
        rule=rule,
        exact_match=exact_match,
        f1=np.array([official.f1(*pair) for pair in pairs]),
        no_answer=_no_answer(readings, answerable),
        curve=risk_coverage(confidence, quality),
        probabilities=score_probabilities(readings, examples),
    )


def prediction(reading: Reading, rule: AnswerRule) -> str:
    """Return the answer that a rule judges: empty for "no answer" where the rule scores that, else the best span."""
    silent = rule.scores_silence and not reading.is_answered
    return "" if silent or not reading.answers else reading.answers[0].text


def _no_answer(readings: Sequence[Reading], has_answer: BoolArray) -> NoAnswer | None:
    if has_answer.all():
        return None
    is_silent = np.array([not reading.is_answered for reading in readings])
    right = int((is_silent & ~has_answer).sum())
    return NoAnswer(
        questions=int((~has_answer).sum()),
        precision=right / max(1, int(is_silent.sum())),
        recall=right / int((~has_answer).sum()),
        accuracy=float((is_silent != has_answer).mean()),
    )


def score_probabilities(readings: Sequence[Reading], examples: Sequence[Example]) -> dict[str, float]:
    """Return how well the probabilities are calibrated; empty for a reader that gives none.

    ``expected_calibration_error``; ``sure``, the share of questions whose probability is at least ``SURE``, and
    ``wrong_when_sure``, the share of wrong answers among these (absent if there are none). Where there are questions
    of both scripts, the same for each, as ``sure_hangul`` and ``sure_other``.
    """
    if all(reading.probability is None for reading in readings):
        return {}
    probabilities = np.array([reading.probability or 0.0 for reading in readings])  # None: nothing was read
    questions = [example.question for example in examples]
    right = are_right(readings, [question.text for question in questions], [question.answers for question in questions])
    scripts = np.array([script_of(question.text) for question in questions])
    scores = _score_probabilities(probabilities, right)
    for script in sorted(set(scripts.tolist())) if len(set(scripts.tolist())) > 1 else ():
        of_script = _score_probabilities(probabilities[scripts == script], right[scripts == script])
        scores |= {f"{name}_{script}": value for name, value in of_script.items()}
    return scores


def _score_probabilities(probabilities: Values, right: BoolArray) -> dict[str, float]:
    is_sure = probabilities >= SURE
    scores = {
        "expected_calibration_error": expected_calibration_error(probabilities, right),
        "sure": float(is_sure.mean()),
    }
    return scores | ({"wrong_when_sure": float(1 - right[is_sure].mean())} if is_sure.any() else {})
