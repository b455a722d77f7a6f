"""Server-sent events of ``/v1/query``, and errors of single questions of a batch."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.errors import GeneratorError, ModelError
from dpr.reader.generative.chat import ChatClient, Timeouts
from dpr.reader.generative.reader import GenerativeReader
from dpr.types import Reader
from tests.fake_generator import Exchange, Script, generator, refuses, replies
from tests.service.fakes import FakeReader, fake_qa, serving
from tests.service.test_errors import error_of

QUESTION: dict[str, Any] = {"question": "created hangul", "n_best": 2}
BATCH: dict[str, Any] = {"questions": ["created hangul", "river", "zebra"]}

Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def parsed(text: str) -> Events:
    """Return the events of a stream, without its comments."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    events: Events = []
    for block in blocks:
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def stream(client: TestClient, headers: dict[str, str] | None = None, **body: object) -> Events:
    response = client.post("/v1/query", json={"stream": True, **body}, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"]
    return parsed(response.text)


def without_timings(response: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in response.items() if name != "timings"}


@pytest.mark.parametrize("body", [QUESTION, BATCH])
def test_passages_come_first_then_each_answer_then_the_end(client: TestClient, body: dict[str, Any]) -> None:
    events = stream(client, **body)
    retrieved = client.post("/v1/retrieve", json={name: body[name] for name in body if name != "n_best"}).json()
    answered = client.post("/v1/query", json=body).json()
    assert events[0][0] == "passages"
    assert without_timings(events[0][1]) == without_timings(retrieved)
    assert [name for name, _ in events[1:]] == ["answer"] * len(answered["results"]) + ["done"]
    for index, ((_, event), result) in enumerate(zip(events[1:-1], answered["results"], strict=True)):
        shown = {name: value for name, value in result.items() if name not in ("hits", "weighing")}
        assert event == {**shown, "index": index}
    assert events[-1][1]["generation"] == answered["generation"]
    assert set(events[-1][1]["timings"]) == set(answered["timings"])


@pytest.mark.parametrize(
    ("accept", "field", "is_stream"),
    [
        ("text/event-stream", None, True),
        ("text/html, Text/Event-Stream;q=0.9", None, True),
        ("application/json, text/event-stream", None, False),
        ("text/event-stream;q=0", None, False),
        ("text/event-stream; q=0.000", None, False),
        ("text/event-stream;q=0.001", None, True),
        ("application/json;q=0, text/event-stream", None, True),
        ("*/*", None, False),
        ("text/event-stream", False, False),
        ("application/json", True, True),
    ],
)
def test_the_field_wins_over_accept(client: TestClient, accept: str, field: bool | None, is_stream: bool) -> None:
    response = client.post("/v1/query", json={**QUESTION, "stream": field}, headers={"accept": accept})
    assert response.headers["content-type"].startswith("text/event-stream" if is_stream else "application/json")


def test_what_fails_before_the_first_event_has_a_status(client: TestClient) -> None:
    accept = {"accept": "text/event-stream"}
    error_of(client.post("/v1/query", json={"question": " "}, headers=accept), 422, "question_empty", "question")
    unknown = client.post("/v1/query", json={**QUESTION, "retriever": "tfidf"}, headers=accept)
    error_of(unknown, 422, "invalid_request", "retriever")
    with serving(fake_qa) as bare:
        error_of(bare.post("/v1/query", json=QUESTION, headers=accept), 422, "no_reader")


def failing(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (GeneratorError("the generator tiny broke off"), "generator_failed", "the generator tiny broke off"),
        (ModelError("the weights are gone"), "internal_error", "the weights are gone"),
        (RuntimeError("surprise"), "internal_error", "report it with the request id here-1"),
    ],
)
def test_what_fails_midway_is_one_error_event(error: Exception, code: str, sentence: str) -> None:
    reader = FakeReader()
    with serving(lambda: fake_qa(reader)) as client:
        reader.wait = failing(error)
        events = stream(client, {"X-Request-ID": "here-1"}, **QUESTION)
        metrics = client.get("/metrics").text
    assert [name for name, _ in events] == ["passages", "error"]
    assert set(events[1][1]) == {"error"}
    assert set(events[1][1]["error"]) == {"code", "message", "field"}
    assert events[1][1]["error"]["code"] == code
    assert sentence in events[1][1]["error"]["message"]
    assert "surprise" not in events[1][1]["error"]["message"]
    assert code in metrics


def test_a_deadline_ends_the_stream() -> None:
    released, reader = threading.Event(), FakeReader()
    with serving(lambda: fake_qa(reader)) as client:
        reader.wait = lambda: released.wait(10)
        events = stream(client, {"X-Request-Timeout": "0.3"}, **QUESTION)
        released.set()
    assert [name for name, _ in events] == ["passages", "error"]
    assert events[1][1]["error"]["code"] == "deadline_exceeded"


@contextmanager
def writing(*scripts: Script, fallback: Reader | None = None) -> Iterator[TestClient]:
    with generator(*scripts) as server:
        chat = ChatClient(server.url, "tiny", "", Timeouts(1, 2, 3))
        with fake_qa(fallback, GenerativeReader("tiny", chat)) as qa, serving(lambda: qa) as client:
            yield client


def test_a_generators_text_comes_as_it_is_written() -> None:
    with writing(replies("King ", "Sejong ", "did [1].")) as client:
        events = stream(client, **QUESTION)
    assert [name for name, _ in events] == ["passages", "text", "text", "text", "answer", "done"]
    assert "".join(event["text"] for name, event in events if name == "text") == "King Sejong did [1]."
    assert events[-2][1]["text"] == "King Sejong did [1]."


def test_a_generator_that_fails_midway_leaves_the_answer_to_the_reader() -> None:
    with writing(refuses(401), fallback=FakeReader()) as client:
        events = stream(client, **QUESTION)
    assert [name for name, _ in events] == ["passages", "answer", "done"]
    assert events[1][1]["note"].startswith("the extractive reader answers instead")


def test_a_question_of_a_batch_that_fails_has_its_error_and_its_hits() -> None:
    def script(exchange: Exchange) -> None:
        asked_for_river = "river" in json.dumps(exchange.body["messages"][-1])
        (refuses(401) if asked_for_river else replies("A king did [1]."))(exchange)

    with writing(script) as client:
        results = client.post("/v1/query", json=BATCH).json()["results"]
        events = stream(client, **BATCH)
    assert [result["error"] and result["error"]["code"] for result in results] == [None, "generator_failed", None]
    assert results[0]["text"] == "A king did [1]."
    assert (results[1]["is_answered"], results[1]["answers"], results[1]["text"]) == (False, [], None)
    assert [hit["passage"]["id"] for hit in results[1]["hits"]] == ["p3"]
    assert "HTTP 401" in results[1]["error"]["message"]
    assert [event["error"] for name, event in events if name == "answer"] == [result["error"] for result in results]


def test_a_batch_that_fails_whole_has_a_status() -> None:
    with writing(refuses(401)) as client:
        response = client.post("/v1/query", json={"questions": ["created hangul", "river"]})
        error_of(response, 502, "generator_failed")
