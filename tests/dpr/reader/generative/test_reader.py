"""The generative reader against a scripted model, with another reader behind it and without."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from dpr.errors import ConfigError, GeneratorError, GeneratorTimeoutError, MissingDependencyError, RequestError
from dpr.reader.generative.chat import ChatClient, Timeouts
from dpr.reader.generative.reader import CUT_OFF, GenerativeReader, open_generator
from dpr.types import Answer, Candidates, Passage, Reader, Reading
from tests.fake_generator import (
    DONE,
    Exchange,
    FakeGenerator,
    Script,
    drops,
    event,
    generator,
    is_silent,
    refuses,
    replies,
    sends,
)

PASSAGES = (
    Passage("hangul", "세종대왕은 1443년에 한글을 만들었다.", title="한글"),
    Passage("moon", "Neil Armstrong walked on the Moon.", title="Moon"),
)
KOREAN = Candidates("한글은 누가 만들었는가?", PASSAGES, (2.0, 1.0))
ENGLISH = Candidates("Who walked on the Moon?", PASSAGES[::-1], (2.0, 1.0))
TIMEOUTS = Timeouts(connect_s=0.2, first_text_s=0.2, total_s=0.3)


class FirstWordReader:
    """Answers with the first word of the first passage, and keeps what it was given."""

    name = "first-word"

    def __init__(self) -> None:
        self.batches: list[Sequence[Candidates]] = []

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        self.batches.append(batch)
        return [self._reading(candidates.passages[0]) for candidates in batch]

    def _reading(self, passage: Passage) -> Reading:
        word = passage.text.split()[0]
        return Reading((Answer(word, passage.id, 0, len(word), 1.0, 2.0, 1.0),), is_answered=True, no_answer_score=-1.0)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def reader(
    *scripts: Script, fallback: Reader | None = None, timeouts: Timeouts = TIMEOUTS, concurrency: int = 8
) -> Iterator[tuple[GenerativeReader, FakeGenerator]]:
    with generator(*scripts) as server:
        chat = ChatClient(server.url, "tiny", "sk-secret", timeouts)
        with closing(GenerativeReader("tiny", chat, fallback, concurrency=concurrency)) as generative:
            yield generative, server


def read(*scripts: Script, item: Candidates = KOREAN) -> Reading:
    with reader(*scripts) as (generative, _):
        [reading] = generative.read([item], n_best=3)
    return reading


def test_it_is_a_reader() -> None:
    with reader(replies("x")) as (generative, _):
        anyone: Reader = generative
        assert anyone.name == "tiny"


def test_an_answer_is_text_with_its_citations_and_spans() -> None:
    reading = read(replies("한글은 ", '"세종', '대왕"이 만', "들었다 [1]."))
    assert reading.text == '한글은 "세종대왕"이 만들었다 [1].'
    assert (reading.is_answered, reading.cited, reading.note) == (True, ("hangul",), "")
    [answer] = reading.answers
    assert (answer.text, answer.passage_id) == ("세종대왕", "hangul")
    assert PASSAGES[0].text[answer.start : answer.end] == answer.text


def test_hangul_may_be_cut_anywhere_on_its_way() -> None:
    reply = event("세종대왕 [1]") + DONE
    reading = read(sends(*(reply[place : place + 1] for place in range(len(reply)))))
    assert (reading.text, reading.cited) == ("세종대왕 [1]", ("hangul",))


def test_numbers_are_those_of_the_question() -> None:
    assert read(replies("Armstrong [1]"), item=ENGLISH).cited == ("moon",)


def test_no_answer_is_no_answer() -> None:
    assert read(replies("NO_", "ANSWER")) == Reading()


def test_a_wrong_citation_is_dropped() -> None:
    reading = read(replies("세종대왕 [1][3]"))
    assert (reading.text, reading.cited) == ("세종대왕 [1]", ("hangul",))
    assert "[3]" in reading.note


def test_a_text_that_was_cut_off_is_told() -> None:
    reading = read(replies("세종대왕 [1]", end=event(finish="length") + DONE))
    assert (reading.is_answered, reading.note) == (True, CUT_OFF)


def test_a_question_without_passages_is_not_asked() -> None:
    with reader(replies("x")) as (generative, server):
        assert generative.read([Candidates("who?", (), ())]) == [Reading()]
        assert generative.read([]) == []
    assert not server.seen


def test_a_question_that_is_too_long_is_refused() -> None:
    with reader(replies("x")) as (generative, _), pytest.raises(RequestError, match="leaves no room"):
        generative.read([Candidates("x" * 12_000, PASSAGES, (2.0, 1.0))])


def test_questions_of_a_batch_are_asked_together_within_a_bound() -> None:
    together = threading.Barrier(2, timeout=5)
    now, most, lock = [0], [0], threading.Lock()

    def script(exchange: Exchange) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait()
        number = exchange.prompt.rsplit("Question: ", 1)[1]
        with lock:
            now[0] -= 1
        replies(f"{number} [1]")(exchange)

    batch = [Candidates(str(number), PASSAGES, (2.0, 1.0)) for number in range(6)]
    with reader(script, concurrency=2, timeouts=Timeouts(5, 5, 5)) as (generative, _):
        readings = generative.read(batch)
    assert [reading.text for reading in readings] == [f"{number} [1]" for number in range(6)]
    assert most == [2]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (refuses(401), "refuses the key"),
        (refuses(404), "no such path or model"),
        (refuses(429, Retry_After="60"), "gets too many requests"),
        (refuses(500), "failed"),
        (is_silent, "did not begin its reply within 0.2 s"),
        (drops(event("세종")), "dropped the connection"),
        (sends(event("세종"), b"data: garbage\n\n"), "not JSON"),
        (sends(event("세종")), "broke off"),
    ],
)
def test_where_the_model_fails_another_reader_answers(
    script: Script, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    fallback = FirstWordReader()
    with reader(script, fallback=fallback) as (generative, _), caplog.at_level(logging.WARNING):
        [reading] = generative.read([KOREAN])
    assert [answer.text for answer in reading.answers] == ["세종대왕은"]
    assert (reading.is_answered, reading.no_answer_score, reading.text, reading.cited) == (True, -1.0, "", ())
    assert reading.note.startswith("the extractive reader answers instead: ")
    assert reason in reading.note
    assert reason in caplog.text
    assert "sk-secret" not in caplog.text + reading.note


def test_only_the_questions_that_failed_are_read_again_and_at_once() -> None:
    def script(exchange: Exchange) -> None:
        (refuses(500) if "bad" in exchange.prompt else replies("good [1]"))(exchange)

    batch = [Candidates(text, PASSAGES, (2.0, 1.0)) for text in ("good", "bad", "good", "very bad")]
    fallback = FirstWordReader()
    with reader(script, fallback=fallback, timeouts=Timeouts(5, 5, 5)) as (generative, _):
        readings = generative.read(batch)
    assert [[item.question for item in asked] for asked in fallback.batches] == [["bad", "very bad"]]
    assert [bool(reading.note) for reading in readings] == [False, True, False, True]
    assert [reading.text for reading in readings] == ["good [1]", "", "good [1]", ""]


def test_a_busy_model_is_waited_for() -> None:
    assert read(refuses(429, Retry_After="0"), replies("세종대왕 [1]")).note == ""


@pytest.mark.parametrize(("script", "kind"), [(refuses(500), GeneratorError), (is_silent, GeneratorTimeoutError)])
def test_without_another_reader_the_failure_is_raised(script: Script, kind: type[GeneratorError]) -> None:
    with pytest.raises(kind, match="the generator tiny at http"):
        read(script)


def test_a_stream_is_text_and_then_the_reading() -> None:
    with reader(replies("세종", "대왕 ", "[1][9]")) as (generative, _):
        *deltas, reading = generative.stream(KOREAN)
    assert deltas == ["세종", "대왕 ", "[1][9]"]
    assert isinstance(reading, Reading)
    assert (reading.text, reading.cited) == ("세종대왕 [1]", ("hangul",))


def test_a_stream_does_not_show_the_marker() -> None:
    with reader(replies("NO", "_ANS", "WER"), replies("No", "body", " [1]"), replies("NO", "T one [1]")) as (
        generative,
        _,
    ):
        assert list(generative.stream(KOREAN)) == [Reading()]
        assert list(generative.stream(KOREAN))[:-1] == ["No", "body", " [1]"]
        assert list(generative.stream(KOREAN))[:-1] == ["NOT one [1]"]


def test_a_stream_that_breaks_off_ends_with_the_other_reading() -> None:
    with reader(drops(event("세종")), fallback=FirstWordReader()) as (generative, _):
        delta, reading = generative.stream(KOREAN)
    assert delta == "세종"
    assert isinstance(reading, Reading)
    assert "dropped the connection" in reading.note
    with reader(drops(event("세종"))) as (generative, _), pytest.raises(GeneratorError):
        list(generative.stream(KOREAN))


def test_a_stream_that_nobody_wants_any_more_is_closed() -> None:
    def script(exchange: Exchange) -> None:
        exchange.start(200, {})
        while not exchange.stopped.wait(0.01):
            exchange.write(event("more "))

    with reader(script, timeouts=Timeouts(5, 5, 5)) as (generative, server):
        with closing(generative.stream(KOREAN)) as stream:  # type: ignore[type-var]
            assert next(stream) == "more "
        assert len(server.seen) == 1


def test_a_model_that_writes_nothing_is_told() -> None:
    reading = read(replies())
    assert (reading.is_answered, reading.note) == (False, "the generator wrote nothing")


def test_a_generator_is_opened_without_asking_it() -> None:
    opened = open_generator("http://127.0.0.1:9/v1", "tiny", total_s=3, fallback=FirstWordReader())
    assert (opened.name, opened.fallback is not None) == ("tiny", True)
    opened.close()


def test_a_generator_needs_a_model() -> None:
    with pytest.raises(ConfigError, match="has no model; name one"):
        open_generator("http://127.0.0.1:9/v1", " ")


def test_without_httpx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "dpr.reader.generative.chat")
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingDependencyError, match=r"\[generative\]"):
        open_generator("http://127.0.0.1:9/v1", "tiny")
