"""How well a reader reads: exact match and F1 over questions whose passage is given."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dpr.errors import DataError
from dpr.evaluation.answers import ANSWER_RULES, AnswerRule
from dpr.types import Candidates, Example, Progress, Reader, Reading, no_progress

_QUESTIONS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ReaderScores:
    """Means over all questions, in per cent. ``no_answer_accuracy``: how often answered or not was right."""

    rule: str
    questions: int
    exact_match: float
    f1: float
    no_answer_accuracy: float | None
    questions_per_second: float

    def as_json(self) -> dict[str, object]:
        """Return the scores as JSON values."""
        return asdict(self)


def choose_rule(examples: Sequence[Example], is_korean: bool = False) -> str:
    """Return the answer rule that a data set's own evaluation uses."""
    if is_korean:
        return "korquad-1.0"
    return "squad-2.0" if any(example.is_impossible for example in examples) else "squad-1.1"


def evaluate_reader(
    reader: Reader, examples: Sequence[Example], rule: str, progress: Progress = no_progress
) -> ReaderScores:
    """Read each question's own passage and score the answers.

    The SQuAD 2.0 rule takes the reader's word for "no answer"; the others score its best span whatever it says.

    Raises:
        DataError: there are no questions, or the rule is unknown.
    """
    if rule not in ANSWER_RULES:
        raise DataError(f"unknown answer rule {rule!r}; choose {', '.join(ANSWER_RULES)}")
    if not examples:
        raise DataError("there are no questions to read; name a data set with questions and answers")
    started = time.monotonic()
    readings = read_gold(reader, examples, progress)
    seconds = time.monotonic() - started
    official = ANSWER_RULES[rule]
    pairs = [
        (_prediction(reading, official), example.question.answers)
        for reading, example in zip(readings, examples, strict=True)
    ]
    judged = [reading.is_answered != example.is_impossible for reading, example in zip(readings, examples, strict=True)]
    return ReaderScores(
        rule=rule,
        questions=len(examples),
        exact_match=_percent([official.exact_match(*pair) for pair in pairs]),
        f1=_percent([official.f1(*pair) for pair in pairs]),
        no_answer_accuracy=_percent(judged) if official.scores_silence else None,
        questions_per_second=round(len(examples) / seconds, 1),
    )


def read_gold(reader: Reader, examples: Sequence[Example], progress: Progress = no_progress) -> list[Reading]:
    """Return the reader's verdict on each question over its first positive passage."""
    readings: list[Reading] = []
    for first in range(0, len(examples), _QUESTIONS_AT_ONCE):
        chunk = examples[first : first + _QUESTIONS_AT_ONCE]
        readings += reader.read([Candidates(item.question.text, item.positives[:1], (0.0,)) for item in chunk])
        progress("read", len(readings), len(examples))
    return readings


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


def _prediction(reading: Reading, rule: AnswerRule) -> str:
    silent = rule.scores_silence and not reading.is_answered
    return "" if silent or not reading.answers else reading.answers[0].text


def _percent(values: Sequence[float]) -> float:
    return round(100 * sum(values) / len(values), 2)
