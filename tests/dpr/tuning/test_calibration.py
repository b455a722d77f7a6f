from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.benchmark.reader import evaluate_reader, read_gold
from dpr.errors import ConfigError, DataError
from dpr.tuning.calibration import best_threshold, cross_fitted, fit_probability, threshold_for_precision
from dpr.types import Answer, Candidates, Example, Passage, Question, Reading
from tests.dpr.benchmark.test_reader import EXAMPLES, SCRIPT, ScriptedReader

FOUND = st.tuples(st.sampled_from(["right", "wrong"]), st.integers(-3, 3), st.booleans())


def reading(text: str, margin: float) -> Reading:
    return Reading((Answer(text, "p", 0, len(text), -margin, 0.0, margin),), is_answered=True, no_answer_score=margin)


def example(*answers: str) -> Example:
    return Example(Question("q", "q?", answers), (Passage("p", "text"),), is_impossible=not answers)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["right", "wrong"]), st.integers(-3, 3), st.booleans()), min_size=1, max_size=12
    ),
    st.sampled_from([0.3, 0.5, 0.9]),
)
def test_the_threshold_for_a_precision_answers_as_much_as_it_allows(
    found: list[tuple[str, int, bool]], precision: float
) -> None:
    readings = [reading(text, margin) for text, margin, _ in found]
    examples = [example("right") if has_answer else example() for *_, has_answer in found]

    def precision_at(threshold: float) -> float:
        answered = [text == "right" and has for text, margin, has in found if margin <= threshold]
        return sum(answered) / len(answered) if answered else 0.0

    allowed = [margin for _, margin, _ in found if precision_at(margin) >= precision]
    if not allowed:
        with pytest.raises(DataError, match="no threshold reaches the precision"):
            threshold_for_precision(readings, examples, precision)
        return
    assert threshold_for_precision(readings, examples, precision) == max(allowed)


def test_nothing_to_choose_a_threshold_by_is_refused() -> None:
    with pytest.raises(DataError, match="no questions"):
        best_threshold([], [])
    with pytest.raises(DataError, match="no answers"):
        threshold_for_precision([Reading()], [example("right")], 0.5)


def test_the_best_threshold_is_found_by_trying_them_all() -> None:
    readings = ScriptedReader(SCRIPT).read([Candidates(item.question.text, (), ()) for item in EXAMPLES])
    best = best_threshold(readings, EXAMPLES)

    def f1(threshold: float) -> float:
        return float(evaluate_reader(ScriptedReader(SCRIPT, threshold), EXAMPLES, "squad-2.0").f1.mean())

    assert f1(best) == max(f1(threshold) for threshold in (-100, -5, -2, -1, 3, 100))


def test_when_no_question_has_an_answer_nothing_is_answered() -> None:
    readings = ScriptedReader(SCRIPT).read([Candidates("q3", (), ()), Candidates("q4", (), ())])
    assert best_threshold(readings, EXAMPLES[2:]) < -2.0


def test_cross_fitting_judges_each_article_by_the_others() -> None:
    margins = {"q1": ("Seoul", -9.0), "q2": ("Han River", -8.0), "q3": ("wrong", 5.0), "q4": ("wrong", 6.0)}
    examples = [in_article(item, article) for item, article in zip(EXAMPLES, "abab", strict=True)]
    readings = read_gold(ScriptedReader(margins, threshold=-100), examples)
    judged = cross_fitted(readings, examples, folds=2)
    assert [reading.is_answered for reading in judged] == [True, False, False, False]  # up to -8 for a, -9 for b
    others = [fit_probability(readings[part::2], examples[part::2])["other"] for part in (1, 0)]
    expected = [others[number % 2].probability(reading.evidence) for number, reading in enumerate(readings)]
    assert [reading.probability for reading in judged] == pytest.approx(expected)


def in_article(item: Example, article: str) -> Example:
    return replace(item, positives=(replace(item.positives[0], document_id=article),))


def test_folds_that_cannot_be_made_are_refused() -> None:
    readings = read_gold(ScriptedReader(SCRIPT), EXAMPLES)
    with pytest.raises(ConfigError, match="folds is 1"):
        cross_fitted(readings, EXAMPLES, 1)
    with pytest.raises(DataError, match="1 documents are too few for 2 folds"):
        cross_fitted(readings, [in_article(item, "one") for item in EXAMPLES], 2)
