"""A new retriever is one module and one entry, and so is a new reranker: commands, benchmark and service know both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from dpr.benchmark.answers import AnswerOptions, evaluate
from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.cli import app
from dpr.errors import ConfigError, RequestError
from dpr.evaluation.trec import read_run
from dpr.pipeline import QA
from dpr.search.open import OpenIndex, open_index
from dpr.search.registry import RERANKERS, RETRIEVERS
from dpr.search.reranking import RerankOptions
from dpr.types import Example, Passage, Question
from service.engine import open_qa
from service.settings import load_settings
from tests import toy_reranker, toy_retriever
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import FakeReader, serving
from tests.small_index import PASSAGES, small_index

QUESTION = "Paris or Rome?"
PARKING = Passage("parking", "Park here for an hour, not for longer than that", "Parking")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seam") / "index"
    small_index(root, [*PASSAGES, PARKING])
    return root


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RETRIEVERS, toy_retriever.NAME, toy_retriever.ENTRY)
    monkeypatch.setitem(RERANKERS, toy_reranker.KIND, toy_reranker.ENTRY)


def opened(root: Path, rerank: str | None = "longest:any") -> OpenIndex:
    options = RerankOptions(rerank, 5) if rerank else None
    return open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer(), rerank=options)


def test_an_index_offers_it_and_says_why_it_is_absent(root: Path, tmp_path: Path) -> None:
    index = opened(root)
    assert index.names == ("dense", "bm25", "tfidf", "rank-bm25", "hybrid", "initials")
    [hits] = index.retriever("initials").search([QUESTION], 5)
    assert [hit.passage_id for hit in hits] == ["paris", "parking"]
    small_index(tmp_path / "one", PASSAGES[:1])
    with pytest.raises(
        RequestError, match="one passage has no initials to tell; index more, or choose from dense, bm25"
    ):
        opened(tmp_path / "one").retriever("initials")


def test_the_command_searches_and_reranks_with_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    base = ["search", QUESTION, "--index", str(root), "--retriever", "initials", "--json"]
    plain = CliRunner().invoke(app, base)
    assert [hit["passage_id"] for hit in json.loads(plain.stdout)] == ["paris", "parking"]
    again = CliRunner().invoke(app, [*base, "--rerank", "longest:any", "--rerank-depth", "2"])
    hits = json.loads(again.stdout)
    assert [hit["passage_id"] for hit in hits] == ["parking", "paris"]
    assert hits[0]["first_stage"] == {"rank": 2, "score": 3.0, "reranker_score": 47.0}


def test_the_command_shows_where_a_hit_stood_before(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    options = ["--index", str(root), "--retriever", "initials", "--rerank", "longest:any", "--rerank-depth", "1"]
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["search", QUESTION, *options])
    assert "before: rank 1, 5.000; rescored +30.000" in shown.output
    assert "before: rank 2, 3.000; not rescored" in shown.output


def test_a_depth_without_a_reranker_is_refused(root: Path) -> None:
    run = CliRunner().invoke(app, ["search", QUESTION, "--index", str(root), "--rerank-depth", "3"])
    assert isinstance(run.exception, ConfigError)
    assert str(run.exception) == "--rerank-depth 3 is given and --rerank is not; give both, or neither"


def test_the_benchmark_measures_them_and_tells_the_cost(root: Path, tmp_path: Path) -> None:
    examples = [Example(Question("q", QUESTION), (Passage("parking", ""),))]
    names = ["initials", "initials+rerank"]
    report = benchmark(opened(root), examples, BenchmarkOptions(names, [1]), tmp_path)
    assert [report.systems[name].means["recall@1"] for name in names] == [0.0, 1.0]
    assert report.reranker is not None
    batch_ms = [cost.batch_ms_per_question for name in names if (cost := report.systems[name].cost)]
    assert report.reranker == {
        "kind": "longest",
        "model": "any",
        "depth": 5,
        "precision": "auto",
        "backend": "auto",
        "added_ms_per_question": {"initials": batch_ms[1] - batch_ms[0]},
    }
    assert read_run(tmp_path / "initials+rerank.trec") == {"q": [("parking", 47.0), ("paris", 30.0)]}


def test_the_benchmark_command_measures_each_with_and_without(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    questions = tmp_path / "questions.json"
    context = {"title": "Parking", "text": PARKING.text, "passage_id": PARKING.id}
    row = {"question": QUESTION, "answers": [], "positive_ctxs": [context], "negative_ctxs": []}
    questions.write_text(json.dumps([{**row, "hard_negative_ctxs": []}]), encoding="utf-8")
    options = ["--index", str(root), "--questions", f"dpr:{questions}", "--output", str(tmp_path / "out")]
    options += ["--retrievers", "initials,bm25", "--rerank", "longest:any", "--rerank-depth", "5"]
    run = CliRunner().invoke(app, ["benchmark", *options, "--json"])
    assert run.exception is None, run.exception
    report = json.loads(run.stdout)
    assert list(report["systems"]) == ["initials", "initials+rerank", "bm25", "bm25+rerank"]
    assert set(report["reranker"]["added_ms_per_question"]) == {"initials", "bm25"}


def test_answers_are_evaluated_with_reranked_passages(root: Path, tmp_path: Path) -> None:
    examples = [Example(Question("q", QUESTION, ("Paris",)), ())]
    report, _ = evaluate(
        opened(root), FakeReader(), examples, AnswerOptions([1], "squad-1.1", retriever="initials+rerank"), tmp_path
    )
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    assert report["reranker"] == RerankOptions("longest:any", 5).as_json()
    assert json.loads((tmp_path / "answers-1.json").read_text(encoding="utf-8")) == {"q": PARKING.text[:11]}


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    with serving(lambda: QA(opened(root), FakeReader()), retriever_default="initials", rerank="longest:any") as it:
        yield it


def ask(client: TestClient, path: str = "/v1/retrieve", **fields: object) -> dict[str, Any]:
    response: dict[str, Any] = client.post(path, json={"question": QUESTION, **fields}).json()
    return response


def test_the_service_reranks_unless_a_request_declines(client: TestClient) -> None:
    for path in ("/v1/retrieve", "/v1/query"):
        for fields, ids in (({}, ["parking", "paris"]), ({"rerank": True}, ["parking", "paris"])):
            response = ask(client, path, **fields)
            assert [hit["passage"]["id"] for hit in response["results"][0]["hits"]] == ids
            assert (response["retriever"], response["rerank"]) == ("initials", True)
        response = ask(client, path, rerank=False)
        assert [hit["passage"]["id"] for hit in response["results"][0]["hits"]] == ["paris", "parking"]
        assert response["rerank"] is False
    [hit, _] = ask(client)["results"][0]["hits"]
    assert (hit["score"], hit["first_stage"]) == (47.0, {"rank": 2, "score": 3.0, "reranker_score": 47.0})


def test_the_service_fuses_before_it_reranks(client: TestClient) -> None:
    response = ask(client, retriever="hybrid", fusion="rrf", k=3)
    assert (response["rerank"], response["fusion"]["method"]) == (True, "rrf")
    assert all(hit["first_stage"] for hit in response["results"][0]["hits"])


def test_the_service_lists_them(client: TestClient) -> None:
    info = client.get("/v1/info").json()
    assert (info["retriever_default"], info["reranker"], info["rerank_depth"]) == ("initials", "longest:any", 5)
    assert "initials" in info["retrievers"]
    assert ask(client, retriever="initals")["error"]["code"] == "unknown_retriever"
    assert "'initials'" in ask(client, retriever="initals")["error"]["message"]
    schema = client.get("/openapi.json").json()["components"]["schemas"]["RetrieveRequest"]["properties"]["retriever"]
    assert schema["anyOf"][0]["enum"] == [name for name in RETRIEVERS if name in info["retrievers"]]


def test_a_server_without_a_reranker_says_so(root: Path) -> None:
    with serving(lambda: QA(opened(root, None), FakeReader())) as client:
        error = ask(client, retriever="bm25", rerank=True)["error"]
        assert (error["code"], error["field"]) == ("invalid_request", "rerank")
        assert error["message"].startswith("this server has no reranker; leave rerank out, or start dpr-serve with")
        assert ask(client, retriever="bm25", rerank=False)["rerank"] is False
        assert ask(client, retriever="bm25")["rerank"] is False


def test_the_settings_reach_the_index(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: HashEncoder())
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    settings = load_settings(
        index=root, no_reader=True, rerank="longest:any", rerank_depth=3, precision="fp32", backend="torch"
    )
    assert open_qa(settings).index.rerank == RerankOptions("longest:any", 3, "fp32", "torch")
    assert open_qa(settings).default_retriever == "hybrid+rerank"


def test_a_depth_without_a_reranker_is_a_wrong_setting(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: HashEncoder())
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    with pytest.raises(
        ConfigError,
        match=r"--rerank-depth \(or DPR_RERANK_DEPTH\) is set and --rerank \(or DPR_RERANK\) is not; set both",
    ):
        open_qa(load_settings(index=root, no_reader=True, rerank_depth=3))
