"""What a data set names but does not hold: left out, counted, or kept as what nothing can find."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from dpr.data.examples import Examples, without_empty_passages
from dpr.errors import DataError
from dpr.types import Example, Passage, Question

A, B = Passage("a", "first"), Passage("b", "second")
PATH = Path("set")


def test_questions_without_text_are_left_out_and_counted() -> None:
    held = Example(Question("q1", "what?"), (A,))
    examples = Examples([held, Example(Question("q2", " "), (B,)), Example(Question("q3", ""), (B,))], PATH)
    assert list(examples) == [held]
    assert examples.without_text == 2
    with pytest.raises(DataError, match="has no question"):
        list(Examples([Example(Question("q", ""), (A,))], PATH))


def test_passages_without_text_cannot_be_found() -> None:
    example = Example(Question("q", "what?"), (Passage("x", ""), A), (Passage("y", " "), B), (), (3, 2))
    expected = Example(Question("q", "what?"), (A,), (B,), (), (2,), absent_positives=(("x", 3),))
    assert without_empty_passages(example) == expected
    assert without_empty_passages(expected) == expected


def test_answers_stand_in_the_first_passage_or_nowhere() -> None:
    question = Question("q", "what?", ("fir",))
    assert without_empty_passages(Example(question, (A, Passage("x", "")), answer_starts=(0,))).answer_starts == (0,)
    assert without_empty_passages(Example(question, (Passage("x", ""), A), answer_starts=(0,))).answer_starts == ()


def test_ids_have_one_unicode_form() -> None:
    decomposed = unicodedata.normalize("NFD", "질문")
    example = Example(Question(decomposed, "?"), (Passage(decomposed, "x"),), excluded_ids=(decomposed,))
    (read,) = Examples([example], PATH)
    assert (read.question.id, read.positives[0].id, read.excluded_ids) == ("질문", "질문", ("질문",))
