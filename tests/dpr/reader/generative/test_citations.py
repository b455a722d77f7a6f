"""What counts as a citation, as a span, as no answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.reader.generative.citations import NOTHING_CITED, NOTHING_WRITTEN, read_reply
from dpr.types import Passage, Reading

PASSAGES = (
    Passage("moon", "Neil Armstrong walked on the Moon in 1969. Armstrong was 38."),
    Passage("hangul", "세종대왕은 1443년에 한글을 만들었다."),
    Passage("bonaparte", "Napoleon Bonaparte was emperor."),
)


def spans(reading: Reading) -> list[tuple[str, str]]:
    texts = {passage.id: passage.text for passage in PASSAGES}
    for answer in reading.answers:
        assert texts[answer.passage_id][answer.start : answer.end] == answer.text
        assert (answer.score, answer.span_score, answer.null_score) == (0, 0, 0)
    return [(answer.passage_id, answer.text) for answer in reading.answers]


@pytest.mark.parametrize(
    ("reply", "cited", "found"),
    [
        ('It was "Neil Armstrong" [1].', ("moon",), [("moon", "Neil Armstrong")]),
        ("Neil Armstrong [1]", ("moon",), [("moon", "Neil Armstrong")]),
        ("세종대왕 [2].", ("hangul",), [("hangul", "세종대왕")]),
        ("‘세종대왕’이 “1443년”에 만들었다.【2】", ("hangul",), [("hangul", "세종대왕"), ("hangul", "1443년")]),
        ("**1969** [1][2]", ("moon", "hangul"), [("moon", "1969")]),
        ('"1443" [1, 2]', ("moon", "hangul"), [("hangul", "1443")]),
        ('"in 1969." [1]', ("moon",), [("moon", "in 1969.")]),
        ("An astronaut [1].", ("moon",), []),
        ('"neil armstrong" [1]', ("moon",), []),
        ('"art" [3]', ("bonaparte",), []),
        ('"Napoleon Bonaparte", the "Bonaparte" [3]', ("bonaparte",), [("bonaparte", "Napoleon Bonaparte")]),
        ('"세종대왕" [1]', ("moon",), []),
    ],
)
def test_spans_are_words_that_stand_in_a_cited_passage(
    reply: str, cited: tuple[str, ...], found: list[tuple[str, str]]
) -> None:
    reading = read_reply(reply, PASSAGES, n_best=5)
    assert reading.is_answered
    assert reading.cited == cited
    assert spans(reading) == found
    assert reading.note == ""


def test_spans_of_overlapping_chunks_share_no_characters() -> None:
    chunks = (
        Passage("d#0", "The lighthouse was built by Agnes Whitcombe", document_id="d"),
        Passage("d#1", "built by Agnes Whitcombe in 1848.", document_id="d", start=19),
    )
    reading = read_reply('"The lighthouse was built by Agnes Whitcombe", "Agnes Whitcombe in 1848" [1][2]', chunks, 5)
    assert [(answer.passage_id, answer.start) for answer in reading.answers] == [("d#0", 0)]


def test_there_are_at_most_n_best_spans() -> None:
    assert len(read_reply('"Neil" "Moon" "1969" [1]', PASSAGES, n_best=2).answers) == 2


def test_numbers_of_no_passage_are_dropped_and_told() -> None:
    reading = read_reply("It was Armstrong [1, 7] in 1969 [0] [99].", PASSAGES)
    assert reading.text == "It was Armstrong [1] in 1969."
    assert reading.cited == ("moon",)
    assert reading.note == "the generator also cited [7], [0], [99], which is no passage"


@pytest.mark.parametrize("reply", ["It was Armstrong.", "It was Armstrong [9].", "It was [Armstrong]."])
def test_an_answer_without_a_citation_is_told_and_not_stood_by(reply: str) -> None:
    reading = read_reply(reply, PASSAGES)
    assert (reading.is_answered, reading.answers, reading.cited, reading.note) == (False, (), (), NOTHING_CITED)
    assert "Armstrong" in reading.text


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("NO_ANSWER", ""),
        ("  NO_ANSWER. [1]\n", ""),
        ("**NO_ANSWER**", ""),
        ("The passages do not say who. NO_ANSWER", "The passages do not say who"),
        ("<think>Perhaps [1]? No.</think>NO_ANSWER", ""),
    ],
)
def test_the_marker_is_no_answer(reply: str, text: str) -> None:
    assert read_reply(reply, PASSAGES) == Reading(text=text)


@pytest.mark.parametrize("reply", ["", " \n", "[1]", "<think>and then the tokens ran out [1]", '"" [9]'])
def test_nothing_is_told_as_nothing(reply: str) -> None:
    assert read_reply(reply, PASSAGES) == Reading(note=NOTHING_WRITTEN)


def test_a_thought_is_no_part_of_the_answer() -> None:
    reading = read_reply("<think>[2]?</think>Armstrong [1]", PASSAGES)
    assert (reading.text, reading.cited) == ("Armstrong [1]", ("moon",))


pieces = st.sampled_from(
    ["[1]", "[2]", "[9]", "[1,", "]", '"', "‘", "’", "**", "NO_ANSWER", "Armstrong", "1443년", " ", "\n"]
)


@given(st.lists(pieces | st.text(max_size=5), max_size=12))
def test_no_reply_is_an_accident(parts: list[str]) -> None:
    reading = read_reply("".join(parts), PASSAGES, n_best=20)
    spans(reading)
    assert set(reading.cited) <= {passage.id for passage in PASSAGES}
    assert reading.is_answered == bool(reading.cited)
    assert {answer.passage_id for answer in reading.answers} <= set(reading.cited)
