"""Results show themselves in one short line, and give the JSON values of the HTTP interface."""

from __future__ import annotations

import json

import pytest

from dpr.results import Answer, Answered, Hit, ListScore, Passage, PassageWindow, Reading, Timings, Weighing
from service.schemas import HitOut, PassageOut, QueryResult

CUT_TEXT = "King Sejong created Hangul in 1443. And so on and on. And s…"
TEXT = "King Sejong\ncreated Hangul in 1443. " + "And so on and on. " * 50
PASSAGE = Passage("p1", TEXT, "Hangul", "d1", 100)
WEIGHING = Weighing({"dense": 0.25, "bm25": 0.75}, {"bm25": 0.5})
HIT = Hit(7, "p1", 1, 1.23456, {"bm25": ListScore(1, 9.5, 1.23456)}, WEIGHING, PassageWindow(0, 40), PASSAGE)
ANSWER = Answer("King Sejong", "p1", 0, 11, 3.5, 4.5, 1.0)


def answered(reading: Reading) -> Answered:
    return Answered("Who created Hangul?", (HIT,), (PASSAGE,), reading, Timings(1.0, 2.0, 3.0), "000001")


ANSWERED = answered(Reading((ANSWER,), True, -3.5, 0.925, evidence={"margin": 1.0}))


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            PASSAGE,
            f"Passage(id='p1', title='Hangul', text='{CUT_TEXT}')",
        ),
        (Passage("p2", "short"), "Passage(id='p2', text='short')"),
        (
            HIT,
            f"Hit(rank=1, score=1.235, passage_id='p1', text='{CUT_TEXT}')",
        ),
        (Hit(7, "p1", 2, 0.5, {}), "Hit(rank=2, score=0.5, passage_id='p1')"),
        (ANSWER, "Answer(text='King Sejong', passage_id='p1', start=0, end=11, score=3.5)"),
        (ANSWERED.reading, "Reading(answers=['King Sejong'], is_answered=True, probability=0.925)"),
        (
            ANSWERED,
            "Answered(question='Who created Hangul?', answers=['King Sejong'], is_answered=True, probability=0.925)",
        ),
        (
            answered(Reading(text="A king.", cited=("p1",), is_answered=True)),
            "Answered(question='Who created Hangul?', text='A king.', answers=[], is_answered=True, probability=None)",
        ),
    ],
)
def test_a_result_is_one_short_line(result: object, line: str) -> None:
    assert repr(result) == line


def test_answers_are_at_hand() -> None:
    assert ANSWERED.answers == (ANSWER,)
    assert (ANSWERED.is_answered, ANSWERED.probability) == (True, 0.925)
    assert (HIT.text, HIT.title) == (TEXT, "Hangul")
    assert (Hit(7, "p1", 1, 0.5, {}).text, Hit(7, "p1", 1, 0.5, {}).title) == ("", "")


@pytest.mark.parametrize(("result", "schema"), [(PASSAGE, PassageOut), (HIT, HitOut), (ANSWERED, QueryResult)])
def test_the_values_are_those_of_the_http_interface(
    result: Passage | Hit | Answered, schema: type[PassageOut | HitOut | QueryResult]
) -> None:
    values = result.to_dict()
    assert json.loads(json.dumps(values)) == schema.model_validate(values).model_dump(mode="json")


def test_a_span_is_also_told_in_its_document() -> None:
    [span] = QueryResult.model_validate(ANSWERED.to_dict()).answers
    assert (span.document_id, span.document_start, span.document_end) == ("d1", 100, 111)


def test_what_is_not_there_is_null() -> None:
    values = answered(Reading()).to_dict()
    assert [values[name] for name in ("no_answer_score", "probability", "text", "note")] == [None] * 4
    assert (values["answers"], values["evidence"], values["cited"]) == ([], [], [])
