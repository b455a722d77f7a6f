from __future__ import annotations

from collections.abc import Sequence

import pytest

from dpr.errors import DataError
from dpr.reader.evaluate import best_threshold, choose_rule, evaluate_reader
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
        return Reading((answer,), margin <= self.threshold, margin)


def example(number: int, *answers: str) -> Example:
    passage = Passage(f"p{number}", "text")
    return Example(Question(str(number), f"q{number}", answers), (passage,), is_impossible=not answers)


EXAMPLES = [example(1, "Seoul"), example(2, "the Han River"), example(3), example(4)]
SCRIPT = {"q1": ("seoul", -5.0), "q2": ("Han Riverside", -1.0), "q3": ("wrong", -2.0), "q4": ("wrong", 3.0)}


def test_squad_1_scores_the_best_span_whatever_the_margin() -> None:
    scores = evaluate_reader(ScriptedReader(SCRIPT, threshold=-100), EXAMPLES[:2], "squad-1.1")
    assert (scores.exact_match, scores.f1, scores.questions) == (50.0, 75.0, 2)
    assert scores.no_answer_accuracy is None


def test_squad_2_takes_the_readers_word_for_no_answer() -> None:
    scores = evaluate_reader(ScriptedReader(SCRIPT), EXAMPLES, "squad-2.0")
    assert (scores.exact_match, scores.f1) == (50.0, 62.5)  # q1 and q4 right, q2 half, q3 answered though impossible
    assert scores.no_answer_accuracy == 75.0


def test_the_best_threshold_is_found_by_trying_them_all() -> None:
    readings = ScriptedReader(SCRIPT).read([Candidates(item.question.text, (), ()) for item in EXAMPLES])
    best = best_threshold(readings, EXAMPLES)

    def f1(threshold: float) -> float:
        return evaluate_reader(ScriptedReader(SCRIPT, threshold), EXAMPLES, "squad-2.0").f1

    assert f1(best) == max(f1(threshold) for threshold in (-100, -5, -2, -1, 3, 100))


def test_when_no_question_has_an_answer_nothing_is_answered() -> None:
    readings = ScriptedReader(SCRIPT).read([Candidates("q3", (), ()), Candidates("q4", (), ())])
    assert best_threshold(readings, EXAMPLES[2:]) < -2.0


def test_each_data_set_has_its_own_rule() -> None:
    assert choose_rule(EXAMPLES[:2]) == "squad-1.1"
    assert choose_rule(EXAMPLES) == "squad-2.0"
    assert choose_rule(EXAMPLES, is_korean=True) == "korquad-1.0"


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(DataError, match="no questions to read"):
        evaluate_reader(ScriptedReader({}), [], "squad-1.1")
    with pytest.raises(DataError, match="unknown answer rule 'bleu'"):
        evaluate_reader(ScriptedReader(SCRIPT), EXAMPLES, "bleu")
