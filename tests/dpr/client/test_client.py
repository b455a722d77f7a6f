"""Both clients against a real service, and against one that refuses, is full, or breaks off."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from dpr.client import AsyncClient, Client, Retrieved, WrittenText
from dpr.client.events import EventParser
from dpr.client.failures import Patience
from dpr.errors import (
    ConfigError,
    DPRError,
    RefusedByServerError,
    RequestError,
    ServerBusyError,
    ServerError,
    ServerTimeoutError,
)
from dpr.pipeline import QA
from dpr.results import Answered
from dpr.search.open import open_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import FakeReader
from tests.service.live import live
from tests.small_index import small_index

QUESTION = "capital of France"
QUESTIONS = [QUESTION, "programming language", "zebra"]

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> QA:
    root = tmp_path_factory.mktemp("client") / "index"
    small_index(root)
    return QA(open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer()), FakeReader())


@pytest.fixture(scope="module")
def address(qa: QA) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        with live(lambda: qa) as url:
            yield url


def awaited(address: str, use: Callable[[AsyncClient], Any]) -> Any:
    async def run() -> Any:
        async with AsyncClient(address) as client:
            return await use(client)

    return asyncio.run(run())


def test_results_are_those_of_the_pipeline(qa: QA, address: str) -> None:
    with Client(address) as client:
        hits = client.retrieve(QUESTION, k=3)
        assert [hit.to_dict() for hit in hits] == [hit.to_dict() for hit in qa.retrieve(QUESTION, k=3)]
        assert hits[0].weighing == qa.retrieve(QUESTION)[0].weighing
        batch = client.answer(QUESTIONS, k=2, n_best=2, retriever="bm25")
        wanted = qa.answer(QUESTIONS, k=2, n_best=2, retriever="bm25")
        assert [answered.to_dict() for answered in batch] == [answered.to_dict() for answered in wanted]
        assert batch[0].generation == qa.generation
        assert client.answer(QUESTION).to_dict() == qa.answer(QUESTION).to_dict()
        explanation, same = client.explain(QUESTION, "rome"), qa.explain(QUESTION, "rome")
        assert explanation == same
        np.testing.assert_array_equal(client.embed(QUESTIONS), qa.embed(QUESTIONS).vectors)
        assert client.info()["generation"] == qa.generation


def test_the_client_of_asyncio_says_the_same(qa: QA, address: str) -> None:
    async def use(client: AsyncClient) -> None:
        hits, answered = await asyncio.gather(client.retrieve(QUESTIONS, k=2), client.answer(QUESTION))
        assert [[hit.passage_id for hit in of_question] for of_question in hits] == [
            [hit.passage_id for hit in of_question] for of_question in qa.retrieve(QUESTIONS, k=2)
        ]
        assert answered.to_dict() == qa.answer(QUESTION).to_dict()
        assert await client.explain(QUESTION, rank=2) == qa.explain(QUESTION, rank=2)
        np.testing.assert_array_equal(
            await client.embed(QUESTIONS, as_passages=True), qa.embed(QUESTIONS, as_passages=True).vectors
        )
        assert (await client.info())["version"]
        pieces = [piece async for piece in client.stream(QUESTIONS)]
        assert [type(piece) for piece in pieces] == [Retrieved, Answered, Answered, Answered]
        with pytest.raises(RefusedByServerError):
            await client.retrieve(" ")

    awaited(address, use)


def test_a_stream_has_passages_first(qa: QA, address: str) -> None:
    with Client(address) as client:
        retrieved, *answers = client.stream(QUESTIONS, k=2)
    assert isinstance(retrieved, Retrieved)
    assert (retrieved.questions, retrieved.generation) == (tuple(QUESTIONS), qa.generation)
    assert [answer.to_dict() for answer in answers if isinstance(answer, Answered)] == [
        answered.to_dict() for answered in qa.answer(QUESTIONS, k=2)
    ]


def test_refusals_are_request_errors_with_the_requests_id(address: str) -> None:
    with Client(address) as client, pytest.raises(RequestError, match="the question is empty") as refusal:
        client.retrieve(["fine", " "])
    error = refusal.value
    assert isinstance(error, RefusedByServerError)
    assert (error.status, error.code, error.field, error.exit_code) == (422, "question_empty", "questions[1]", 2)
    assert error.request_id
    assert error.request_id in str(error)
    with Client(address) as client, pytest.raises(RefusedByServerError, match="no passage 'atlantis'"):
        client.explain(QUESTION, "atlantis")
    with Client(address) as client, pytest.raises(RequestError, match="the server has no index 'other'"):
        client.embed(["x"], index="other")


def error_body(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": f"it is {code}", "field": None}}


def scripted(*responses: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """Return a transport that gives each response once, and the last one for ever, and the requests it got."""
    remaining, requests = list(responses), list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        response = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(response, Exception):
            raise response
        return response

    return httpx.MockTransport(handle), requests


def busy(retry_after: str = "", status: int = 503) -> httpx.Response:
    headers = {"x-request-id": "r-1", **({"retry-after": retry_after} if retry_after else {})}
    return httpx.Response(status, json=error_body("busy"), headers=headers)


def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the waits that clients of this thread make from now on, none of which takes time.

    A live server of other tests sleeps in its own thread, by the same functions.
    """
    made_waits: list[float] = []
    thread, sleep_s, sleep_async_s = threading.get_ident(), time.sleep, asyncio.sleep

    def sleep(seconds: float) -> None:
        if threading.get_ident() == thread:
            made_waits.append(seconds)
        else:
            sleep_s(seconds)

    async def sleep_async(seconds: float) -> None:
        if threading.get_ident() == thread:
            made_waits.append(seconds)
        else:
            await sleep_async_s(seconds)

    monkeypatch.setattr("dpr.client.synchronous.time.sleep", sleep)
    monkeypatch.setattr("dpr.client.asynchronous.asyncio.sleep", sleep_async)
    return made_waits


def info() -> httpx.Response:
    return httpx.Response(200, json={"generation": "000001"})


@pytest.mark.parametrize("is_async", [False, True])
def test_a_full_server_is_asked_again_when_it_says(monkeypatch: pytest.MonkeyPatch, is_async: bool) -> None:
    made_waits = waits(monkeypatch)
    transport, requests = scripted(busy("3"), busy("2", 429), httpx.ConnectError("refused"), info())
    if is_async:

        async def ask() -> Any:
            async with AsyncClient(transport=transport, key="k-1") as client:
                return await client.info()

        assert asyncio.run(ask()) == {"generation": "000001"}
    else:
        with Client(transport=transport, key="k-1") as client:
            assert client.info() == {"generation": "000001"}
    assert made_waits[:2] == [3.0, 2.0]
    assert 0.7 < made_waits[2] < 1.3
    assert len(requests) == 4
    assert {request.headers["authorization"] for request in requests} == {"Bearer k-1"}
    assert all(0 < float(request.headers["x-request-timeout"]) <= 60 for request in requests)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_server_that_refuses_connections_may_have_a_time_of_its_own(
    monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    made_waits = waits(monkeypatch)
    transport, _ = scripted(busy("30"), httpx.ConnectError("refused"))

    async def ask_async() -> None:
        async with AsyncClient(transport=transport, connect_timeout_s=0.1) as client:
            await client.info()

    def ask() -> None:
        with Client(transport=transport, connect_timeout_s=0.1) as client:
            client.info()

    with pytest.raises(ServerError, match="cannot be reached"):
        asyncio.run(ask_async()) if is_async else ask()
    assert made_waits == [30.0]  # a full server is waited for as ever


def test_retries_end_before_the_time_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    made_waits = waits(monkeypatch)
    transport, requests = scripted(busy("30"))
    with (
        Client(transport=transport, timeout_s=10) as client,
        pytest.raises(ServerBusyError, match="it is busy") as full,
    ):
        client.info()
    assert (made_waits, len(requests), full.value.request_id) == ([], 1, "r-1")


@pytest.mark.parametrize(
    ("response", "kind", "sentence"),
    [
        (httpx.Response(500, json=error_body("internal_error")), ServerError, "it is internal_error"),
        (httpx.Response(504, json=error_body("deadline_exceeded")), ServerTimeoutError, "it is deadline_exceeded"),
        (httpx.Response(401, json=error_body("unauthorized")), RefusedByServerError, "it is unauthorized"),
        (httpx.Response(502, text="<html>"), ServerError, "answered with status 502 and no reason"),
        (httpx.Response(200, text="<html>"), ServerError, "does not answer with JSON; correct the server's address"),
        (httpx.ReadTimeout("late"), ServerTimeoutError, "did not answer in time"),
        (httpx.ReadError("gone"), ServerError, r"dropped the connection \(ReadError\)"),
    ],
)
def test_other_failures_are_not_tried_again(
    response: httpx.Response | Exception, kind: type[ServerError], sentence: str
) -> None:
    transport, requests = scripted(response)
    with Client("http://user:secret@host", transport=transport) as client, pytest.raises(kind, match=sentence) as error:
        client.info()
    assert len(requests) == 1
    assert isinstance(error.value, DPRError)
    assert "secret" not in str(error.value)


def sse(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in events)


PASSAGES_EVENT = ("passages", {"generation": "1", "timings": {"retrieve_ms": 1.0}, "results": []})


def test_a_generators_text_comes_piece_by_piece() -> None:
    body = sse(PASSAGES_EVENT, ("text", {"text": "King "}), ("text", {"text": "Sejong"}), ("done", {}))
    transport, _ = scripted(httpx.Response(200, content=b": keep-alive\n\n" + body))
    with Client(transport=transport) as client:
        pieces = list(client.stream("x"))
    assert pieces[1:] == [WrittenText("King "), WrittenText("Sejong")]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (sse(PASSAGES_EVENT, ("error", error_body("generator_failed"))), "it is generator_failed"),
        (sse(PASSAGES_EVENT), "the server broke off its stream; ask again"),
    ],
)
def test_a_stream_that_fails_midway_raises(body: bytes, sentence: str) -> None:
    transport, _ = scripted(httpx.Response(200, content=body, headers={"x-request-id": "r-9"}))
    with Client(transport=transport) as client:
        stream = client.stream("x")
        assert isinstance(next(stream), Retrieved)
        with pytest.raises(ServerError, match=sentence) as failure:
            next(stream)
    assert failure.value.request_id == "r-9"


def test_events_are_whole_however_the_bytes_are_cut() -> None:
    body = 'event: text\ndata: {"text": "한\u2028글"}\n\n: comment\n\nevent: done\r\ndata: {}\r\n\r\n'.encode()
    for size in (1, 2, 5, len(body)):
        parser = EventParser()
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        events = [event for chunk in chunks for event in parser.feed(chunk)]
        assert events == [("text", {"text": "한\u2028글"}), ("done", {})]


def test_waits_follow_dates_too() -> None:
    now = time.monotonic()
    busy = ServerError("busy", status=503)
    assert Patience(now + 10).pause_s(busy, "Wed, 21 Oct 2015 07:28:00 GMT", now) == 0.0
    with pytest.raises(ServerError):
        Patience(now + 10).pause_s(ServerError("broken", status=500), "1", now)
    with pytest.raises(ServerError):
        Patience(now + 1).pause_s(busy, "1", now)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://host",
        "http://",
        "http://[::",
        "http://a..b",
        f"http://{'a' * 99}",
        "http://\ud800",
        "http://a:0",
        "http://a:65536",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="the server's address"):
        Client(url)


@pytest.mark.parametrize("key", ["two words", "한", "line\n"])
def test_a_key_that_cannot_be_sent_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="copy it again"):
        Client(key=key)


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url": 5}, "url is 5, a whole number; give a string"),
        ({"key": b"secret"}, "key is bytes; give a string"),
        ({"timeout_s": "3"}, "timeout_s is '3', a string; give a number"),
        ({"timeout_s": 0}, "timeout_s is 0; give seconds above 0, at most a year (31,536,000)"),
        ({"timeout_s": float("nan")}, "timeout_s is nan; give seconds above 0, at most a year (31,536,000)"),
        ({"connect_timeout_s": "3"}, "connect_timeout_s is '3', a string; give a number or None"),
        ({"connect_timeout_s": -1}, "connect_timeout_s is -1; give seconds from 0, at most a year (31,536,000)"),
        ({"transport": "x"}, "transport is 'x', a string; give a"),
    ],
)
def test_what_a_client_cannot_be_made_of_is_refused(client: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        client(**options)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("method", "arguments", "options", "sentence"),
    [
        ("retrieve", [5], {}, "the question is 5; give a text, or a list of texts"),
        ("retrieve", [["a", 5]], {}, "the question is 5; give a text"),
        ("retrieve", ["a\ud800"], {}, "the request cannot be written as JSON ('utf-8' codec can't encode"),
        ("retrieve", ["x"], {"k": "3"}, "k is '3', a string; give a whole number"),
        ("retrieve", ["x"], {"retriever": 5}, "retriever is 5, a whole number; give a string or None"),
        ("retrieve", ["x"], {"weights": {"bm25": "1"}}, "weights is {'bm25': '1'}, which holds '1', a string; give a"),
        ("retrieve", ["x"], {"weights": {"bm25": float("nan")}}, "the request cannot be written as JSON (Out of range"),
        ("retrieve", ["x"], {"rerank": "yes"}, "rerank is 'yes', a string; give True or False or None"),
        ("retrieve", ["x"], {"filter": 5}, "the filter is 5; give a text"),
        ("answer", ["x"], {"n_best": True}, "n_best is True; give a whole number"),
        ("explain", [["x"]], {}, "question is ['x'], a list; give a string"),
        ("explain", ["x"], {"rank": "1"}, "rank is '1', a string; give a whole number or None"),
        ("embed", ["abc"], {}, "texts is 'abc', a string; give a list of strings"),
        ("embed", [["abc"]], {"index": ["a"]}, "index is ['a'], a list; give a string or None"),
    ],
)
def test_what_a_client_cannot_ask_is_refused(
    method: str, arguments: list[Any], options: dict[str, Any], sentence: str
) -> None:
    transport, requests = scripted(info())
    with Client(transport=transport) as client, pytest.raises(RequestError) as refused:
        getattr(client, method)(*arguments, **options)
    assert str(refused.value).startswith(sentence)

    async def ask() -> None:
        async with AsyncClient(transport=transport) as client:
            await getattr(client, method)(*arguments, **options)

    with pytest.raises(RequestError) as refused:
        asyncio.run(ask())
    assert str(refused.value).startswith(sentence)
    assert not requests


def test_numbers_of_numpy_are_numbers() -> None:
    transport, requests = scripted(httpx.Response(200, json={"results": []}))
    count: Any = np.int64(3)
    weight: Any = np.float32(0.5)
    with Client(transport=transport) as client:
        client.retrieve(["x"], k=count, weights={"bm25": weight})
    assert json.loads(requests[0].content) == {"questions": ["x"], "k": 3, "weights": {"bm25": 0.5}}


def test_without_httpx_one_sentence_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['httpx'] = None\n"
        "import dpr.client\n"
        "try: dpr.client.Client\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("MissingDependencyError the package 'httpx' is not installed; install it with: pip")
    assert "[client]" in run.stdout


def test_a_wait_for_a_server_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("dpr.client.failures.FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("dpr.client.failures.MOST_WAIT_S", 0.02)
    failure, failures = ServerError("the server cannot be reached; start it"), []

    def unreachable(_error: httpx.HTTPError, _address: httpx.URL) -> ServerError:
        failures.append(failure)
        return failure

    monkeypatch.setattr("dpr.client.connection.unreachable", unreachable)
    with Client("http://127.0.0.1:9", timeout_s=0.3) as client, pytest.raises(ServerError, match="start it"):
        client.retrieve(QUESTION)
    assert len(failures) > 2
    (record,) = [record for record in caplog.records if record.name == "dpr.client.failures"]
    assert record.getMessage() == "the server cannot be reached; start it (asking again for up to 1 s)"
