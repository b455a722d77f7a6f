"""Traits of questions, in both languages."""

from __future__ import annotations

import pytest

from dpr.benchmark.traits import TRAITS, answer_type, language_of, overlap, question_word, traits_of, with_training
from dpr.text.registry import analyzer
from dpr.types import Example, Passage, Question


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Who built it?", "en"),
        ("IBM이 만든 컴퓨터는?", "ko"),
        ("Où est la gare, élève à côté?", "other"),
        ("1989?", "other"),
    ],
)
def test_the_language_is_that_of_the_letters(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Who built it?", "who"),
        ("In what year did it open?", "when"),
        ("How many people live there?", "how many / how much"),
        ("How does it work?", "how"),
        ("Name the river.", "no question word"),
        ("누가 만들었나?", "who"),
        ("몇 년에 지어졌나?", "when"),
        ("몇 명이 살고 있나?", "how many / how much"),
        ("서울의 강 이름은?", "what"),
        ("왜 문을 닫았나?", "why"),
        ("그 강은 길다.", "no question word"),
    ],
)
def test_the_question_word(text: str, word: str) -> None:
    assert question_word(text) == word


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("1989", "date"),
        ("3 May", "date"),
        ("3 miles", "number"),
        ("May 3, 1989", "date"),
        ("1989년", "date"),
        ("16대", "number"),
        ("twelve hundred", "number"),
        ("Ada Lovelace", "name"),
        ("the water clock", "some words"),
        ("세종대왕", "one word"),
        ("because the river was far too wide to cross", "sentence"),
    ],
)
def test_the_type_of_an_answer(answer: str, kind: str) -> None:
    assert answer_type([answer]) == kind


def test_no_answer_is_unknown() -> None:
    assert answer_type([]) == "unknown"


def test_overlap_is_the_share_of_terms_that_the_passage_has() -> None:
    terms = analyzer("ngram")
    assert overlap("clock water", "a water clock", terms) == 1.0
    assert overlap("clock wood", "a water clock", terms) == 0.5
    assert overlap("물시계", "물시계는 오래되었다", terms) == 1.0
    assert overlap("?", "water", terms) == 0.0


def test_all_traits_of_a_question() -> None:
    example = Example(Question("q", "Who built the clock?", ("Ada",)), (Passage("p", "Ada built the clock."),))
    traits = with_training(traits_of(example), ["dense"])
    assert tuple(traits) == TRAITS
    assert traits == {
        "language": "en",
        "question word": "who",
        "answer": "name",
        "overlap": "75–100 %",
        "passage length": "under 75 words",
        "trained on": "by dense",
    }
    assert with_training({}, [])["trained on"] == "no"


def test_a_question_without_a_gold_passage_has_no_overlap() -> None:
    traits = traits_of(Example(Question("q", "Who?"), ()))
    assert (traits["overlap"], traits["passage length"]) == ("unknown", "unknown")
