"""``dpr ask`` with a generator: written as it comes, checked, and with the reader behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dpr.cli import app
from dpr.cli.ask import SHOWN_AROUND, _marked, around
from dpr.errors import ConfigError, ModelError, RequestError
from dpr.models.cross_encoder import load_cross_encoder
from dpr.text.registry import analyzer
from dpr.types import Answer, Candidates, Passage, Reading
from index_builder.build import BuildOptions, build
from tests.fake_generator import Exchange, generator, refuses, replies
from tests.small_index import write_jsonl
from tests.tiny_models import make_cross_encoder

QUESTION = "Paris capital"
KEY = "sk-secret"


class FirstWordReader:
    """Answers with the first word of the first passage."""

    name = "first-word"

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        return [self._reading(candidates.passages[0]) for candidates in batch]

    def _reading(self, passage: Passage) -> Reading:
        word = passage.text.split()[0]
        return Reading((Answer(word, passage.id, 0, len(word), 1.0, 2.0, 1.0),), is_answered=True, no_answer_score=-1.0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ask")
    source = write_jsonl(folder / "corpus.jsonl")
    build(BuildOptions(sources=(source,), output=folder / "index"), None, analyzer("words"))
    return folder / "index"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("DPR_GENERATOR_KEY", KEY)
    monkeypatch.setattr("dpr.reader.extractive.reader.load_reader", lambda *_, **__: FirstWordReader())


def ask(index: Path, *arguments: str) -> str:
    command = ("ask", QUESTION, "--index", str(index), "--retriever", "bm25", "--k", "2", *arguments)
    result = CliRunner().invoke(app, command)
    if result.exception is not None:
        raise result.exception
    assert KEY not in result.output
    return result.stdout


def parsed(text: str) -> Any:
    return json.loads(text)


def test_the_text_is_printed_with_the_passages_that_it_cites(index: Path) -> None:
    def script(exchange: Exchange) -> None:
        assert exchange.headers["Authorization"] == f"Bearer {KEY}"
        replies('"Pa', 'ris" ', "[1] [bold]\n")(exchange)

    with generator(script) as server:
        shown = ask(index, "--generator-url", server.url, "--generator-model", "tiny")
    assert shown.splitlines() == ['"Paris" [1] [bold]', "", "  [1] Paris: Paris is the capital of France"]


def test_json_has_the_text_the_citations_and_the_spans(index: Path) -> None:
    with generator(replies('"Paris" [1][7]')) as server:
        answered = parsed(ask(index, "--generator-url", server.url, "--generator-model", "tiny", "--json"))
    assert (answered["text"], answered["cited"], answered["is_answered"]) == ('"Paris" [1]', ["paris"], True)
    assert [answer["text"] for answer in answered["answers"]] == ["Paris"]
    assert "[7]" in answered["note"]


def test_no_answer_is_told(index: Path) -> None:
    with generator(replies("NO_ANSWER")) as server:
        shown = ask(index, "--generator-url", server.url, "--generator-model", "tiny")
    assert shown == "no answer in these passages\n"


def test_where_the_generator_fails_the_reader_answers(index: Path) -> None:
    with generator(refuses(401)) as server:
        shown = ask(index, "--generator-url", server.url, "--generator-model", "tiny")
        answered = parsed(ask(index, "--generator-url", server.url, "--generator-model", "tiny", "--json"))
    assert shown.startswith("note: the extractive reader answers instead: the generator tiny at")
    assert "Paris  (score 1.00)" in shown
    assert answered["note"].endswith("(HTTP 401)")


@pytest.mark.parametrize("place", [0, 40, 400, 1500, 1960, 1994])
def test_of_a_long_passage_the_part_around_the_answer_is_shown(place: int) -> None:
    text = ("한국어 and English words here. " * 100)[:2000]
    first, last = around(text, place, place + 6)
    assert 0 <= first <= place
    assert place + 6 <= last <= len(text)
    assert last - first < 1000
    assert first == 0 or text[first - 1] == " "
    assert last == len(text) or text[last] == " "


def test_a_passage_that_is_not_long_is_shown_whole() -> None:
    text = "word " * 100
    assert around(text, 250, 254) == (0, len(text))
    assert around("가" * 2000, 1000, 1002) == (1000 - SHOWN_AROUND, 1002 + SHOWN_AROUND)


def test_a_long_passage_is_marked_as_cut_and_shows_its_control_characters() -> None:
    text = "before " * 200 + "\x1b[31manswer" + " after" * 200
    start = text.index("answer")
    answer = Answer("answer", "id", start, start + 6, 1.0, 2.0, 1.0)
    console = Console(record=True, width=2000, file=StringIO())
    console.print(_marked(Passage("id", text, "\x1btitle"), answer))
    shown = console.export_text()
    assert shown.startswith("␛title: … before")
    assert "␛[31manswer after" in shown
    assert shown.endswith("after …\n")
    assert len(shown) < 800


@pytest.mark.parametrize(("given", "missing"), [("--generator-url", "model"), ("--generator-model", "url")])
def test_an_address_and_a_model_belong_together(index: Path, given: str, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"{given} is given and --generator-{missing} is not"):
        ask(index, given, "http://127.0.0.1:9/v1")


def test_reranked_passages_are_read(index: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = str(make_cross_encoder(tiny_checkpoint, tmp_path))
    plain = parsed(ask(index, "--json"))
    again = parsed(ask(index, "--json", "--rerank", model, "--precision", "fp32", "--backend", "torch"))
    passages = [Passage(p["id"], p["text"], p["title"]) for p in plain["passages"]]
    scores = load_cross_encoder(model, "fp32").score([QUESTION] * 2, passages)
    order = sorted(range(2), key=lambda row: -scores[row])
    assert [p["id"] for p in again["passages"]] == [plain["passages"][row]["id"] for row in order]
    assert again["answers"][0]["passage_id"] == again["passages"][0]["id"]


def test_a_retriever_to_be_reranked_needs_a_reranker(index: Path) -> None:
    with pytest.raises(RequestError, match="there is no reranker for the hits of 'bm25'; set one with --rerank"):
        ask(index, "--retriever", "bm25+rerank")


def test_a_missing_reranker_is_one_sentence(index: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no folder .*absent"):
        ask(index, "--rerank", str(tmp_path / "absent"))


def test_an_index_without_vectors_is_asked_by_bm25(index: Path) -> None:
    default, by_name = (
        json.loads(CliRunner().invoke(app, ("search", QUESTION, "--index", str(index), "--json", *chosen)).output)
        for chosen in ((), ("--retriever", "bm25"))
    )
    assert default == by_name
    result = CliRunner().invoke(app, ("search", QUESTION, "--index", str(index), "--retriever", "hybrid"))
    assert isinstance(result.exception, RequestError)
    assert "no vectors for the retriever 'hybrid'" in str(result.exception)
    assert "choose from bm25" in str(result.exception)


def test_search_and_ask_tell_why_there_are_no_hits(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl", [Passage("a", "a bank", metadata={"year": 2020})])
    build(BuildOptions(sources=(source,), output=tmp_path / "index"), None, analyzer("words"))
    no_word, no_passage = "no passage shares a word with the question", "no passage passes the filter year > 2050"
    neither = "no passage that passes the filter year = 2020 shares a word with the question"
    for question, options, sentence in (
        ("zebra", (), no_word),
        ("bank", ("--filter", "year > 2050"), no_passage),
        ("zebra", ("--filter", "year = 2020"), neither),
    ):
        for command, shown in (("search", sentence), ("ask", f"no answer: {sentence}")):
            result = CliRunner().invoke(app, (command, question, "--index", str(tmp_path / "index"), *options))
            assert (result.exit_code, result.stdout) == (0, f"{shown}\n")
    result = CliRunner().invoke(app, ("search", "zebra", "--index", str(tmp_path / "index"), "--json"))
    assert parsed(result.stdout) == []
