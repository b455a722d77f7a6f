"""The client against a server that behaves well, badly, slowly, or not at all."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from dpr.errors import ConfigError, GeneratorError, GeneratorTimeoutError
from dpr.reader.generative.chat import ChatClient, Timeouts
from dpr.reader.generative.prompt import Message
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
    stalls,
    trickles,
)

KEY = "sk-very-secret"
ASKED = [Message(role="user", content="한글은 누가?")]
SHORT = Timeouts(connect_s=0.2, first_text_s=0.2, total_s=0.3)
LONG = Timeouts(connect_s=5, first_text_s=5, total_s=5)
SENTENCE = re.compile(r"the generator tiny at http://127\.0\.0\.1:\d+/v1 [^\n]+; [^\n]+")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def client(*scripts: Script, timeouts: Timeouts = LONG) -> Iterator[tuple[ChatClient, FakeGenerator]]:
    with generator(*scripts) as server, closing(ChatClient(server.url, "tiny", KEY, timeouts)) as chat:
        yield chat, server


def failure(*scripts: Script, timeouts: Timeouts = LONG) -> tuple[GeneratorError, str]:
    """Return the error of a question and the text that came before it."""
    written: list[str] = []
    with client(*scripts, timeouts=timeouts) as (chat, _), pytest.raises(GeneratorError) as caught:
        written.extend(delta.text for delta in chat(ASKED))
    assert SENTENCE.fullmatch(str(caught.value)), caught.value
    return caught.value, "".join(written)


def test_a_reply_comes_in_pieces() -> None:
    with client(replies("세종", "대왕 ", "[1]")) as (chat, server):
        deltas = list(chat(ASKED))
    assert [delta.text for delta in deltas] == ["세종", "대왕 ", "[1]", ""]
    assert deltas[-1].finish == "stop"
    [exchange] = server.seen
    assert exchange.path == "/v1/chat/completions"
    assert exchange.headers["Authorization"] == f"Bearer {KEY}"
    assert exchange.body == {
        "model": "tiny", "messages": ASKED, "stream": True, "temperature": 0, "max_tokens": 512,
    }  # fmt: skip


def test_pieces_are_yielded_before_the_end() -> None:
    with client(stalls(event("first"))) as (chat, _):
        deltas = chat(ASKED)
        assert next(deltas).text == "first"
        deltas.close()  # type: ignore[attr-defined]


def test_a_server_without_a_key_is_sent_none() -> None:
    with generator(replies("x")) as server, closing(ChatClient(server.url + "/", "tiny")) as chat:
        list(chat(ASKED))
    assert "Authorization" not in server.seen[0].headers
    assert server.seen[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    with client(refuses(status, Retry_After="0"), replies("ok")) as (chat, server):
        assert [delta.text for delta in chat(ASKED)] == ["ok", ""]
    assert len(server.seen) == 2


def test_it_is_asked_three_times_at_most() -> None:
    with client(refuses(429, Retry_After="0")) as (chat, server), pytest.raises(GeneratorError, match="429"):
        list(chat(ASKED))
    assert len(server.seen) == 3


@pytest.mark.parametrize("after", ["3600", "Fri, 31 Dec 2049 23:59:59 GMT", "inf"])
def test_a_wait_beyond_the_deadline_is_not_waited_for(after: str) -> None:
    began = time.monotonic()
    error, _ = failure(refuses(429, Retry_After=after), replies("never asked"), timeouts=SHORT)
    assert "gets too many requests" in str(error)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (400, "rejects the request"),
        (401, "DPR_GENERATOR_KEY"),
        (403, "DPR_GENERATOR_KEY"),
        (404, "/v1"),
        (500, "its log"),
    ],
)
def test_a_refusal_says_what_to_do_and_never_the_key(status: int, part: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    error, _ = failure(refuses(status, {"error": {"message": f"not with {KEY}"}}))
    assert f"(HTTP {status})" in str(error)
    assert part in str(error)
    assert KEY not in str(error)
    assert KEY not in caplog.text
    assert ("not with" in caplog.text) is (status not in {401, 403})


@pytest.mark.parametrize(
    ("script", "part", "written"),
    [
        (sends(event("so ")), "broke off", "so "),
        (sends(event("so "), b'data: {"choi'), "broke off", "so "),
        (sends(event("so "), b"data: {broken\n\n"), "not JSON", "so "),
        (drops(event("so ")), "dropped the connection", "so "),
        (sends(b'data: {"error": {"message": "out of memory"}}\n\n'), "reported an error", ""),
        (sends(b"<html></html>", kind="text/html"), "sent text/html instead of a stream", ""),
        (sends(b"{}", kind="application/json"), "sent application/json instead of a stream", ""),
        (sends(b""), "broke off", ""),
    ],
)
def test_what_is_no_whole_reply_is_told(script: Script, part: str, written: str) -> None:
    error, before = failure(script)
    assert part in str(error)
    assert before == written
    assert not isinstance(error, GeneratorTimeoutError)


def test_a_reply_that_says_why_it_ends_needs_no_done() -> None:
    with client(replies("all", end=event(finish="stop"))) as (chat, _):
        assert [delta.text for delta in chat(ASKED)] == ["all", ""]


@pytest.mark.parametrize(
    ("script", "part", "written"),
    [
        (is_silent, "begin its reply within 0.2 s", ""),
        (stalls(), "begin its reply within 0.2 s", ""),
        (trickles, "begin its reply within 0.2 s", ""),
        (stalls(event("so ")), "continue its reply within 0.2 s", "so "),
    ],
)
def test_time_is_bounded_however_it_is_lost(script: Script, part: str, written: str) -> None:
    began = time.monotonic()
    error, before = failure(script, timeouts=SHORT)
    assert isinstance(error, GeneratorTimeoutError)
    assert part in str(error)
    assert before == written
    assert time.monotonic() - began < 1


def test_a_text_that_trickles_ends_in_time() -> None:
    def script(exchange: Exchange) -> None:
        exchange.start(200, {})
        while not exchange.stopped.wait(0.02):
            exchange.write(event("more "))

    error, before = failure(script, timeouts=SHORT)
    assert isinstance(error, GeneratorTimeoutError)
    assert "end its reply" in str(error)
    assert before.startswith("more more")


def test_a_server_that_goes_on_after_the_end_does_not_hold_the_answer_up() -> None:
    began = time.monotonic()
    with client(stalls(event("all"), DONE)) as (chat, _):
        assert [delta.text for delta in chat(ASKED)] == ["all"]
    assert time.monotonic() - began < 2


def test_a_server_that_is_not_there() -> None:
    with generator(replies("x")) as server:
        pass
    with closing(ChatClient(server.url, "tiny", KEY, SHORT)) as chat, pytest.raises(GeneratorError) as caught:
        list(chat(ASKED))
    assert "cannot be reached" in str(caught.value)
    assert SENTENCE.fullmatch(str(caught.value))


def test_an_alarm_leaves_the_connection_of_the_next_question_alone() -> None:
    def slow(exchange: Exchange) -> None:
        exchange.start(200, {})
        exchange.write(event("two"))
        exchange.stopped.wait(0.3)
        exchange.write(event(finish="stop") + DONE)

    with client(replies("one"), slow, timeouts=Timeouts(total_s=0.5)) as (chat, server):
        assert [delta.text for delta in chat(ASKED)] == ["one", ""]
        time.sleep(0.3)
        assert [delta.text for delta in chat(ASKED)] == ["two", ""]
    assert len({exchange.peer for exchange in server.seen}) == 1, "the connection was kept"


@pytest.mark.parametrize("url", ["", "ftp://x/v1", "127.0.0.1:8080/v1", "http://", "http://a:b:c/"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(ConfigError, match="give one such as http://127"):
        ChatClient(url, "tiny")


def test_an_address_is_shown_without_its_secrets() -> None:
    with closing(ChatClient("https://me:pass@host/v1/chat/completions?api-key=7", "tiny")) as chat:
        assert chat.address == "https://host/v1"


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "열쇠"])
def test_a_key_that_cannot_be_sent_is_refused_unseen(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ChatClient("http://127.0.0.1/v1", "tiny", key)
    assert key not in str(caught.value)


def test_timeouts_follow_the_total() -> None:
    assert Timeouts.from_total(30) == Timeouts(5, 20, 30)
    assert Timeouts.from_total(3) == Timeouts(3, 2, 3)
