"""``dpr ask --server`` and ``dpr explain --server``: the answers of a running service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.errors import ConfigError, RefusedByServerError, ServerError
from dpr.pipeline import QA
from dpr.reader.generative.chat import ChatClient, Timeouts
from dpr.reader.generative.reader import GenerativeReader
from tests.fake_generator import generator, replies
from tests.service.fakes import FakeReader, fake_qa
from tests.service.live import live


@pytest.fixture(scope="module")
def qa() -> QA:
    return fake_qa(FakeReader())


@pytest.fixture(scope="module")
def address(qa: QA) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        with live(lambda: qa) as url:
            yield url


def ask(*arguments: str) -> str:
    return run("ask", *arguments)


def run(command: str, *arguments: str) -> str:
    result = CliRunner().invoke(app, [command, "created hangul", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_the_answer_is_shown_as_from_an_index(address: str) -> None:
    shown = ask("--server", address)
    assert "King Sejong  (score 2.00)" in shown
    assert "Hangul: King Sejong created Hangul in 1443." in shown


def test_json_is_that_of_an_index(qa: QA, address: str) -> None:
    answered = json.loads(ask("--server", address, "--retriever", "bm25", "--k", "2", "--n-best", "2", "--json"))
    wanted = qa.answer("created hangul", retriever="bm25", k=2, n_best=2)
    assert {name: answered[name] for name in wanted.to_dict()} == wanted.to_dict()
    assert answered["generation"] == "000001"


def test_a_generators_text_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with generator(replies("A king ", "did [1].")) as server:
        chat = ChatClient(server.url, "tiny", "", Timeouts(1, 2, 3))
        with fake_qa(None, GenerativeReader("tiny", chat)) as qa, live(lambda: qa) as url:
            assert ask("--server", url).splitlines()[0] == "A king did [1]."


def test_what_a_server_decides_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--server is given with --encoder, --index, which the server decides"):
        ask("--server", "http://127.0.0.1:9", "--index", str(tmp_path), "--encoder", "x")
    with pytest.raises(ConfigError, match="there is no --index to ask, and no --server"):
        ask()


def test_an_explanation_is_that_of_an_index(qa: QA, address: str, tmp_path: Path) -> None:
    explained = json.loads(run("explain", "--server", address, "--retriever", "bm25", "--rank", "1", "--json"))
    wanted = qa.explain("created hangul", rank=1, retriever="bm25")
    assert explained == json.loads(json.dumps({**wanted.to_dict(), "generation": wanted.generation}))
    assert "King Sejong created Hangul" in run("explain", "--server", address)
    with pytest.raises(ConfigError, match="--server is given with --index, --weight, which the server decides"):
        run("explain", "--server", address, "--index", str(tmp_path), "--weight", "bm25=1")
    with pytest.raises(ConfigError, match="there is no --index to ask, and no --server"):
        run("explain")


def test_failures_are_one_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("dpr.client.failures.FIRST_WAIT_S", 100.0)
    with pytest.raises(RefusedByServerError, match="weights for the retriever 'tfidf'; ask dense, bm25 or hybrid"):
        ask("--server", address, "--retriever", "tfidf")
    with pytest.raises(ServerError, match=r"the server at http://127\.0\.0\.1:9 cannot be reached"):
        ask("--server", "http://127.0.0.1:9")


def test_a_dead_address_is_told_soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("dpr.cli.ask_server.CONNECT_TIMEOUT_S", 0.4)
    for command in ("ask", "explain"):
        with pytest.raises(ServerError, match="cannot be reached"):
            run(command, "--server", "http://127.0.0.1:9")
    assert "(asking again for up to 1 s)" in caplog.text
