"""``dpr tune``: the curve, the choice, the file, and one set of questions at a time or several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from dpr.cli.tune import tune_command
from dpr.errors import ConfigError, DataError, DPRError, RequestError
from dpr.search.fusion import Fusion
from dpr.search.open import open_index
from dpr.search.record import DEFAULT_FUSION, read_fusion
from dpr.text.registry import analyzer
from index_builder.build import BuildOptions, build
from tests.fakes import HashEncoder

APP = typer.Typer()
APP.command()(tune_command)
RUNNER = CliRunner(env={"COLUMNS": "140"})


@pytest.fixture(scope="module")
def sources(demo_files: tuple[Path, Path]) -> tuple[str, str]:
    return f"squad:{demo_files[0]}@:6", f"korquad:{demo_files[1]}@:6"


@pytest.fixture
def index(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: HashEncoder())
    return published


@pytest.fixture(scope="module")
def published(demo_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("tune-command") / "index"
    corpus = (f"squad:{demo_files[0]}", f"korquad:{demo_files[1]}")
    build(BuildOptions(sources=corpus, output=output), HashEncoder(), analyzer("ngram"))
    return output


def call(index: Path, *arguments: str) -> Result:
    result = RUNNER.invoke(APP, ["--index", str(index), *arguments])
    if isinstance(result.exception, DPRError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def parsed(index: Path, *arguments: str) -> Any:
    return json.loads(call(index, *arguments, "--json").stdout)


def test_it_prints_the_curve_the_choice_and_its_worth(index: Path, sources: tuple[str, str]) -> None:
    printed = call(index, "--questions", sources[0]).stdout
    rows = [line.split() for line in printed.splitlines() if line.split()[:1] and line.split()[0][:2] in ("0.", "1.")]
    assert [float(row[0]) for row in rows] == pytest.approx([number / 20 for number in range(21)])
    assert rows[0][5:7] == ["bm25", "alone"] or rows[0][5:6] == ["bm25"]
    assert printed.count("chosen") == 2  # in the table and below it
    assert "chosen: dense " in printed
    assert "against the default weights" in " ".join(printed.split())
    assert "against the best single list" in " ".join(printed.split())


def test_the_file_holds_the_weights_and_where_they_come_from(
    index: Path, sources: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "fusion.json"
    arguments = "--questions", sources[0], "--questions", sources[1], "--metric", "recall@1", "--method", "minmax"
    actual = parsed(index, *arguments, "--folds", "0", "--output", str(path))
    written = json.loads(path.read_text(encoding="utf-8"))
    assert set(written) == {"method", "weights", "coverage_power", "rrf_constant", "depth", "fitted"}
    assert set(written["fitted"]) == {"objective", "metrics", "questions", "documents", "command"}
    assert len(path.read_bytes()) < 1_500
    assert (actual["objective"], actual["method"], actual["held_out"]) == ("recall@1", "minmax", None)
    assert (len(actual["curve"]), actual["questions"]["source"]) == (21, ", ".join(sources))
    assert actual["questions"]["count"] == sum(
        parsed(index, "--questions", source, "--folds", "0")["questions"]["count"] for source in sources
    )
    assert read_fusion(path) == Fusion("minmax", actual["weights"], coverage_power=2.0)


def test_save_makes_the_weights_the_default_of_the_index(index: Path, sources: tuple[str, str]) -> None:
    assert open_index(index).fusion == DEFAULT_FUSION
    before = {path: path.read_bytes() for path in index.rglob("*") if path.is_file() and path.name != ".lock"}
    actual = parsed(index, "--questions", sources[0], "--method", "minmax", "--folds", "0", "--save")
    opened = open_index(index)
    assert opened.fusion == Fusion("minmax", actual["weights"], coverage_power=2.0)
    assert opened.retriever("hybrid").search(["clock"], 1)[0][0].weighing is not None
    changed = {path.name for path in before if path.read_bytes() != before[path]}
    assert changed == {"000001.json"}


def test_it_says_where_it_recorded_the_weights(index: Path, sources: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    arguments = "--questions", sources[0], "--folds", "0"
    assert "recorded" not in call(index, *arguments).stdout
    printed = call(index, *arguments, "--save", "--output", str(path)).stdout
    assert f"recorded in the index {index} and in {path}" in printed


def test_of_three_lists_the_remarkable_points_are_shown(index: Path, sources: tuple[str, str]) -> None:
    printed = call(index, "--questions", sources[1], "--retriever", "dense, bm25,tfidf", "--folds", "0").stdout
    for name in ("dense", "bm25", "tfidf"):
        assert f"{name} alone" in printed
    assert len(printed.splitlines()) < 20
    assert "chosen: dense " in printed


def test_bad_input_is_one_sentence(index: Path, sources: tuple[str, str]) -> None:
    with pytest.raises(RequestError, match="the lists to fuse are dense"):
        call(index, "--questions", sources[0], "--retriever", "dense")
    with pytest.raises(DataError, match="is not a source of questions"):
        call(index, "--questions", "questions.jsonl")
    with pytest.raises(DataError, match="occurs twice"):
        call(index, "--questions", sources[0], "--questions", sources[0])
    for option in (("--save",), ("--output", "fusion.json")):
        with pytest.raises(ConfigError, match="--retriever bm25,tfidf names other lists than dense and bm25"):
            call(index, "--questions", sources[0], "--retriever", "bm25,tfidf", *option)
    for option in (("--output", "fusion.json"), ("--retriever", "bm25,tfidf"), ("--method", "rrf")):
        with pytest.raises(ConfigError, match="--settings chooses lists and method itself"):
            call(index, "--questions", sources[0], "--settings", "fusion", *option)
    for settings in ((), ("--settings", "bm25,fusion")):
        with pytest.raises(ConfigError, match="--rerank is for --settings rerank, which is not named"):
            call(index, "--questions", sources[0], *settings, "--rerank", "model")


def test_an_index_without_vectors_is_told_what_can_be_tuned(sources: tuple[str, str], tmp_path: Path) -> None:
    output = tmp_path / "index"
    build(BuildOptions(sources=(sources[0],), output=output), None, analyzer("ngram"))
    with pytest.raises(
        ConfigError, match=r"the index has no vectors for the list 'dense', .*; give --retriever bm25,tfidf"
    ):
        call(output, "--questions", sources[0])
    with pytest.raises(ConfigError, match="leave fusion out, as in --settings bm25"):
        call(output, "--questions", sources[0], "--settings", "bm25,fusion")
    assert (
        "chosen: bm25 " in call(output, "--questions", sources[0], "--retriever", "bm25,tfidf", "--folds", "0").stdout
    )
