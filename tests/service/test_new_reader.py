"""A new reader is one module and one entry: the front door, the commands, evaluation and service know it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

import dpr
from dpr.cli import app
from dpr.errors import ConfigError
from dpr.reader.registry import READERS
from dpr.types import Example, Question
from service.engine import open_qa
from service.settings import load_settings
from tests import toy_reader
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import serving
from tests.small_index import PASSAGES, small_index

QUESTION = "What is the capital of France?"
READER = "last-word:any"
WORD = next(passage.text.split()[-1] for passage in PASSAGES if passage.id == "paris")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seam") / "index"
    small_index(root)
    return root


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, toy_reader.KIND, toy_reader.ENTRY)
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: HashEncoder())
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())


def test_the_front_door_answers_and_evaluates_with_it(root: Path) -> None:
    qa = dpr.open(root, reader=READER, retrieval=dpr.RetrievalOptions("bm25"))
    assert qa.answer(QUESTION).answers[0].text == WORD
    examples = [Example(Question("right", QUESTION, (WORD,)), ()), Example(Question("wrong", QUESTION, ("no",)), ())]
    assert dpr.evaluate(qa, examples, ks=(1,)).answers[1]["exact_match"] == 0.5


def test_the_commands_answer_and_evaluate_with_it(root: Path, tmp_path: Path) -> None:
    options = ["--index", str(root), "--reader", READER, "--retriever", "bm25", "--json"]
    answered = CliRunner().invoke(app, ["ask", QUESTION, *options])
    assert answered.exception is None, answered.exception
    assert json.loads(answered.stdout)["answers"][0]["text"] == WORD
    questions = tmp_path / "questions.json"
    row = {"question": QUESTION, "answers": [WORD], "positive_ctxs": [], "negative_ctxs": [], "hard_negative_ctxs": []}
    questions.write_text(json.dumps([row]), encoding="utf-8")
    source = ["--questions", f"dpr:{questions}", "--output", str(tmp_path / "report"), "--k", "1"]
    evaluated = CliRunner().invoke(app, ["evaluate", *source, *options])
    assert evaluated.exception is None, evaluated.exception
    assert json.loads(evaluated.stdout)["reader"] == "any"
    answers = json.loads((tmp_path / "report" / "answers-1.json").read_text(encoding="utf-8"))
    assert list(answers.values()) == [WORD]


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    settings = load_settings(index=root, reader=READER, retriever_default="bm25")
    with serving(lambda: open_qa(settings), retriever_default="bm25", reader=READER) as it:
        yield it


def test_the_service_answers_with_it(client: TestClient) -> None:
    [result] = client.post("/v1/query", json={"question": QUESTION}).json()["results"]
    assert result["answers"][0]["text"] == WORD
    assert client.get("/v1/info").json()["reader"] == "any"


def test_an_unknown_kind_is_refused_before_it_is_needed(root: Path) -> None:
    with pytest.raises(ConfigError, match="unknown kind of reader 'first-word'; choose extractive, last-word"):
        dpr.open(root, reader="first-word:any")
