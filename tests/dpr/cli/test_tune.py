"""``dpr tune``: the curve, the choice, the file, and one set of questions at a time or several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from dpr.cli.tune import tune_command
from dpr.errors import DataError, DPRError, RequestError
from dpr.search.tuned import read_fusion
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
    monkeypatch.setattr("dpr.search.parts._load_encoder", lambda *_: HashEncoder())
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
    assert "chosen: --weight dense=" in printed
    assert "against the best single list" in " ".join(printed.split())


def test_the_file_holds_the_weights_and_where_they_come_from(
    index: Path, sources: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "fusion.json"
    arguments = "--questions", sources[0], "--questions", sources[1], "--metric", "recall@1", "--method", "minmax"
    found = parsed(index, *arguments, "--folds", "0", "--output", str(path))
    written = json.loads(path.read_text(encoding="utf-8"))
    assert {**found, "command": written["command"]} == written
    assert (found["objective"], found["method"], found["held_out"]) == ("recall@1", "minmax", None)
    assert found["arguments"].startswith("--fusion minmax --weight dense=")
    assert found["questions"]["source"] == ", ".join(sources)
    assert found["questions"]["count"] == sum(
        parsed(index, "--questions", source, "--folds", "0")["questions"]["count"] for source in sources
    )
    assert read_fusion(path).weights == found["weights"]


def test_each_script_can_have_weights_of_its_own(
    index: Path, sources: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpr.search.tune.MIN_QUESTIONS", 3)
    path = tmp_path / "fusion.json"
    both = "--questions", sources[0], "--questions", sources[1], "--folds", "0", "--by-script"
    printed = call(index, *both, "--output", str(path)).stdout
    assert printed.count("chosen: --weight dense=") == 2
    assert "questions with Hangul on" in printed
    assert "questions without Hangul on" in printed
    found = parsed(index, *both)
    for name, source in (("default", sources[0]), ("hangul", sources[1])):
        alone = parsed(index, "--questions", source, "--folds", "0")
        assert found[name]["weights"] == alone["weights"]
    fusion = read_fusion(path)
    assert fusion.hangul is not None
    assert (fusion.weights, fusion.hangul.weights) == (found["default"]["weights"], found["hangul"]["weights"])


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
    with pytest.raises(DataError, match=r"there are 0 questions with Hangul and .* or fit the same weights for all"):
        call(index, "--questions", sources[0], "--by-script")
