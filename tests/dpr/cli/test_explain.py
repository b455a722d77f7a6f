"""``dpr explain``: numbers that add up, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.errors import UnknownPassageError
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: HashEncoder())
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    small_index(tmp_path / "index")
    return tmp_path / "index"


def explain(index: Path, *arguments: str) -> str:
    command = ["explain", "capital of France", "--index", str(index), *arguments]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, command)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_json_has_the_explanation(index: Path) -> None:
    explanation = json.loads(explain(index, "--passage", "paris", "--json"))
    assert (explanation["passage"]["id"], explanation["rank"], explanation["generation"]) == ("paris", 1, "000001")
    parts = [entry["fused"]["contribution"] for entry in explanation["lists"].values()]
    assert sum(parts) == pytest.approx(explanation["score"])
    assert json.loads(explain(index, "--json")) == json.loads(explain(index, "--rank", "1", "--json"))


def test_the_table_shows_terms_weights_and_the_sum(index: Path) -> None:
    shown = explain(index, "--passage", "paris")
    assert shown.startswith("Paris: Paris is the capital of France")
    assert "capital +" in shown
    assert "value: (score - mean) / deviation * share" in shown
    assert "hybrid: rank 1, score " in shown
    assert "weight 0.75, by coverage 1.00: 0.7500" in shown
    assert "(here 1 ×, in 1 passage)" in shown


def test_a_passage_that_is_no_hit_is_told(index: Path) -> None:
    shown = explain(index, "--passage", "seoul", "--retriever", "bm25")
    assert "bm25: no rank, no score" in shown
    assert "capital +0.0000 (here 0 ×, in 2 passages)" in shown


def test_an_unknown_passage_is_one_sentence(index: Path) -> None:
    with pytest.raises(UnknownPassageError, match="this index has no passage 'atlantis'; name one by its id"):
        explain(index, "--passage", "atlantis")


def test_a_rank_that_no_hit_has_is_one_sentence(index: Path) -> None:
    with pytest.raises(UnknownPassageError, match="rank is 1, and the question has no hits; name a passage by its id"):
        explain(index, "--retriever", "bm25", "--filter", "id = 'seoul'")
    with pytest.raises(UnknownPassageError, match="rank is 2, and the question has 1 hit; name one of them"):
        explain(index, "--filter", "id = 'paris'", "--retriever", "bm25", "--rank", "2")
