from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dpr.reader.extractive.merge import PassageSpans
from dpr.reader.extractive.model import ReaderConfig
from dpr.tuning.reader import ReadQuestion, tune_length
from dpr.types import Candidates, Example, Passage, Question

TEXT = "in May or in June of that year"


def read_question(answer: str, long_lead: float) -> ReadQuestion:
    """A question whose span of all the text leads that of ``May`` by so much."""
    start = TEXT.index("May")
    spans = PassageSpans(
        np.array([0, start]), np.array([len(TEXT), start + 3]), np.array([long_lead, 0.0], dtype=np.float32), 0.0
    )
    passage = Passage("p", TEXT)
    example = Example(Question("q", "When?", (answer,)), (passage,))
    return ReadQuestion(example, Candidates("When?", (passage,), (0.0,)), [spans])


def test_the_weight_of_the_length_is_the_smallest_that_mends_most() -> None:
    # log(30 / 3) = 2.30: a weight of 0.3 makes up for 0.69, one of 0.5 for 1.15, and 0.9 for 2.07
    read = [read_question("May", 0.6) for _ in range(3)] + [read_question("May", 1.1), read_question(TEXT, 1.3)]
    config, record = tune_length(ReaderConfig(), read)
    assert config == replace(ReaderConfig(), length_weight=0.5)
    assert record["questions"] == 5
    assert (record["exact_match_without"], record["exact_match"]) == pytest.approx((0.2, 1.0))


def test_without_a_gain_the_length_does_not_count() -> None:
    config, _ = tune_length(ReaderConfig(), [read_question(TEXT, 0.2)])
    assert config.length_weight == 0.0


def test_questions_without_an_answer_are_left_out() -> None:
    question = read_question("May", 0.6)
    impossible = replace(question.example, is_impossible=True, question=Question("q", "When?", ()))
    assert tune_length(ReaderConfig(), [question._replace(example=impossible)]) == (ReaderConfig(), {"questions": 0})
