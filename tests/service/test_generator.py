"""The service with a generator: what is written, what stands behind it, and what happens while it is waited for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.errors import ConfigError
from dpr.reader.generative.chat import ChatClient, Timeouts
from dpr.reader.generative.reader import GenerativeReader
from dpr.text.registry import analyzer
from dpr.types import Reader
from index_builder.build import BuildOptions, build
from service.app import create_app
from service.engine import Engine, open_qa
from tests.fake_generator import Exchange, FakeGenerator, Script, generator, is_silent, refuses, replies
from tests.service.fakes import PASSAGES, FakeReader, fake_qa, serving, settings_of

QUESTION = {"question": "created hangul", "n_best": 3}
KEY = "sk-secret"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def answering(*scripts: Script, fallback: Reader | None = None) -> Iterator[tuple[TestClient, FakeGenerator]]:
    """Serve the fake index with a generator with short timeouts."""
    with generator(*scripts) as server:
        chat = ChatClient(server.url, "tiny", KEY, Timeouts(0.2, 0.2, 0.3))
        with (
            fake_qa(fallback, GenerativeReader("tiny", chat)) as qa,
            serving(lambda: qa) as client,
        ):
            yield client, server


def result_of(client: TestClient, **body: object) -> dict[str, Any]:
    response = client.post("/v1/query", json={**QUESTION, **body})
    assert response.status_code == 200, response.text
    assert KEY not in response.text
    [result] = response.json()["results"]
    assert isinstance(result, dict)
    return result


def test_a_written_answer_comes_with_the_passages_that_it_cites() -> None:
    with answering(replies('"King Sejong" did [1].')) as (client, _):
        result = result_of(client)
    assert (result["is_answered"], result["text"]) == (True, '"King Sejong" did [1].')
    assert (result["cited"], result["note"], result["no_answer_score"]) == (["p1"], None, None)
    [answer] = result["answers"]
    assert PASSAGES[0].text[answer["start"] : answer["end"]] == answer["text"] == "King Sejong"
    assert [passage["id"] for passage in result["evidence"]] == ["p1"]
    assert result["hits"][0]["passage"]["id"] == "p1"


def test_a_cited_passage_is_evidence_also_without_a_span() -> None:
    with answering(replies("A king did [1].")) as (client, _):
        result = result_of(client)
    assert (result["answers"], [passage["id"] for passage in result["evidence"]]) == ([], ["p1"])


@pytest.mark.parametrize(
    ("reply", "text", "note"),
    [
        ("NO_ANSWER", None, None),
        ("A king.", "A king.", "the answer cites none of the passages, so it has no support"),
    ],
)
def test_what_is_not_supported_is_not_answered(reply: str, text: str | None, note: str | None) -> None:
    with answering(replies(reply)) as (client, _):
        result = result_of(client)
    assert (result["is_answered"], result["text"], result["note"], result["cited"]) == (False, text, note, [])


def test_where_the_generator_fails_the_reader_answers_and_says_so() -> None:
    with answering(refuses(401, {"error": KEY}), fallback=FakeReader()) as (client, _):
        result = result_of(client, n_best=1)
    assert [answer["text"] for answer in result["answers"]] == ["King Sejong"]
    assert (result["is_answered"], result["text"], result["cited"]) == (True, None, [])
    assert result["note"].startswith("the extractive reader answers instead: the generator tiny at http://127")
    assert result["note"].endswith("set DPR_GENERATOR_KEY to a valid key (HTTP 401)")


@pytest.mark.parametrize(
    ("script", "status", "code"), [(refuses(500), 502, "generator_failed"), (is_silent, 504, "generator_timeout")]
)
def test_without_a_reader_the_failure_is_told(script: Script, status: int, code: str) -> None:
    with answering(script) as (client, _):
        response = client.post("/v1/query", json=QUESTION)
        assert client.post("/v1/retrieve", json={"question": "hangul"}).status_code == 200
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in response.headers) is (status == 504)
    assert "the generator tiny" in response.json()["error"]["message"]


def test_info_names_the_reader_and_the_generator() -> None:
    with answering(replies("x"), fallback=FakeReader()) as (client, _):
        info = client.get("/v1/info")
    assert (info.json()["reader"], info.json()["generator"]) == ("fake-reader", "tiny")
    assert KEY not in info.text
    with answering(replies("x")) as (client, _):
        assert client.get("/v1/info").json()["reader"] is None


def test_warming_up_reads_here_and_asks_nobody() -> None:
    read: list[None] = []
    with answering(replies("x"), fallback=FakeReader(lambda: read.append(None))) as (client, server):
        assert client.get("/readyz").status_code == 200
        assert (len(read), server.seen) == (1, [])


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generator")
    passages = [{"id": "p1", "text": "king sejong created hangul"}, {"id": "p2", "text": "the han river"}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, passages)) + "\n", encoding="utf-8")
    build(BuildOptions(sources=(str(folder / "corpus.jsonl"),), output=folder / "index"), None, analyzer("words"))
    return folder / "index"


def test_requests_do_not_wait_for_each_others_generator(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPR_GENERATOR_KEY", KEY)
    monkeypatch.setattr("dpr.reader.extractive.reader.load_reader", lambda *_, **__: FakeReader())
    together = threading.Barrier(3, timeout=10)

    def script(exchange: Exchange) -> None:
        together.wait()  # for another question, and for passages that were asked for meanwhile
        (refuses(500) if "river" in exchange.prompt.rsplit("Question:", 1)[1] else replies("sejong [1]"))(exchange)

    with generator(script) as server:
        settings = settings_of(
            index=index, retriever_default="bm25", generator_url=server.url, generator_model="tiny", max_in_flight=4
        )
        engine = Engine.from_settings(settings)
        with TestClient(create_app(settings, engine)) as client, ThreadPoolExecutor(2) as callers:
            assert client.portal is not None
            qa = client.portal.call(engine.loaded)
            asked = [callers.submit(result_of, client, question=text) for text in ("who created hangul", "the river")]
            while len(server.seen) < 2:
                threading.Event().wait(0.01)
            assert client.post("/v1/retrieve", json={"question": "hangul"}).status_code == 200
            together.wait()
            written, read = (future.result() for future in asked)
    assert (written["text"], written["cited"], read["text"]) == ("sejong [1]", ["p1"], None)
    assert "failed" in read["note"]
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert isinstance(qa.generator, GenerativeReader)
    qa.close()


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"generator_url": "http://x/v1"}, "DPR_GENERATOR_MODEL"), ({"generator_model": "m"}, "DPR_GENERATOR_URL")],
)
def test_an_address_and_a_model_belong_together(given: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        open_qa(settings_of(**given))


@pytest.mark.parametrize(("url", "cause"), [("localhost:8080", "no HTTP address"), ("http://a:80800", "port 80800")])
def test_a_wrong_address_ends_the_start(url: str, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        open_qa(settings_of(generator_url=url, generator_model="m"))
