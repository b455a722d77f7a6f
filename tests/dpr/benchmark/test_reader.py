from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dpr.benchmark.reader import (
    NoAnswer,
    choose_rule,
    evaluate_reader,
    read_gold,
    score_probabilities,
    score_readings,
)
from dpr.errors import ConfigError, DataError
from dpr.types import Answer, Candidates, Example, Passage, Question, Reading


class ScriptedReader:
    """Answers each question with the words, the margin and the threshold that the test gave it."""

    name = "scripted"

    def __init__(self, script: dict[str, tuple[str, float]], threshold: float = 0.0) -> None:
        self.script = script
        self.threshold = threshold

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        return [self._reading(*self.script[item.question]) for item in batch]

    def _reading(self, text: str, margin: float) -> Reading:
        answer = Answer(text, "p", 0, len(text), -margin, 0.0, margin)
        return Reading(
            (answer,), margin <= self.threshold, margin, evidence={"margin": -margin, "share": 0.0, "lead": 0.0}
        )


def example(number: int, *answers: str) -> Example:
    passage = Passage(f"p{number}", "text")
    return Example(Question(str(number), f"q{number}", answers), (passage,), is_impossible=not answers)


EXAMPLES = [example(1, "Seoul"), example(2, "the Han River"), example(3), example(4)]
SCRIPT = {"q1": ("seoul", -5.0), "q2": ("Han Riverside", -1.0), "q3": ("wrong", -2.0), "q4": ("wrong", 3.0)}


def test_squad_1_scores_the_best_span_whatever_the_margin() -> None:
    scores = evaluate_reader(ScriptedReader(SCRIPT, threshold=-100), EXAMPLES[:2], "squad-1.1")
    assert scores.exact_match.tolist() == [1, 0]
    assert scores.f1.tolist() == [1, 0.5]
    assert scores.no_answer is None
    assert scores.metrics() == {"exact_match": 0.5, "f1": 0.75, "area_under_risk_coverage": 0.25}


def test_squad_2_takes_the_readers_word_for_no_answer() -> None:
    scores = evaluate_reader(ScriptedReader(SCRIPT), EXAMPLES, "squad-2.0")
    assert scores.exact_match.tolist() == [1, 0, 0, 1]  # q3 is answered though impossible
    assert scores.f1.tolist() == [1, 0.5, 0, 1]
    assert scores.no_answer == NoAnswer(2, precision=1.0, recall=0.5, accuracy=0.75)


def test_the_curve_is_that_of_answers_given_to_the_surest_questions() -> None:
    scores = evaluate_reader(ScriptedReader(SCRIPT), EXAMPLES, "squad-2.0")
    assert scores.curve.risk.tolist() == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4])  # q1, q3, q2, q4


def test_what_was_read_may_tell_which_questions_have_an_answer() -> None:
    readings = read_gold(ScriptedReader(SCRIPT), EXAMPLES)
    scores = score_readings(readings, EXAMPLES, "squad-1.1", np.array([True, False, False, True]))
    assert scores.no_answer == NoAnswer(2, precision=0.0, recall=0.0, accuracy=0.25)


def test_probabilities_are_judged_by_whether_the_best_answer_is_right() -> None:
    examples = [example(1, "Seoul"), example(2, "the Han River"), example(3), question("4", "한강은 어디?", "서울")]
    readings = [
        answer("seoul", 0.95),  # right
        answer("Han Riverside", 0.5),  # an F1 of a half
        answer("wrong", 0.94),  # there is no answer
        answer("서울은", 1.0),  # an F1 of 0.8 over characters
    ]
    scores = score_readings(readings, examples, "squad-2.0")
    assert scores.probabilities == pytest.approx(
        {
            "expected_calibration_error": (abs(0.95 + 0.94 + 1 - 2) + 0.5) / 4,
            "sure": 0.75,
            "wrong_when_sure": 1 / 3,
            "expected_calibration_error_hangul": 0.0,
            "sure_hangul": 1.0,
            "wrong_when_sure_hangul": 0.0,
            "expected_calibration_error_other": (abs(0.95 + 0.94 - 1) + 0.5) / 3,
            "sure_other": 2 / 3,
            "wrong_when_sure_other": 0.5,
        }
    )
    assert scores.metrics().items() >= scores.probabilities.items()
    assert "wrong_when_sure" not in score_probabilities([answer("seoul", 0.2), Reading()], examples[:2])
    assert score_probabilities([answer("seoul", None)], examples[:1]) == {}


def answer(text: str, probability: float | None) -> Reading:
    return Reading((Answer(text, "p", 0, len(text), 1.0, 1.0, 0.0),), True, -1.0, probability)


def question(name: str, text: str, *answers: str) -> Example:
    return Example(Question(name, text, answers), (Passage(name, "text"),))


def test_each_data_set_has_its_own_rule() -> None:
    assert choose_rule(EXAMPLES[:2]) == "squad-1.1"
    assert choose_rule(EXAMPLES) == "squad-2.0"
    assert choose_rule(EXAMPLES, is_korean=True) == "korquad-1.0"


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(DataError, match="no questions to read"):
        evaluate_reader(ScriptedReader({}), [], "squad-1.1")
    with pytest.raises(ConfigError, match="unknown answer rule 'bleu'"):
        evaluate_reader(ScriptedReader(SCRIPT), EXAMPLES, "bleu")
