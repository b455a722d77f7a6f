from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.data.passages import read_examples
from dpr.errors import ConfigError, DataError, DPRError
from dpr.models.encoders import load_encoder

RUNNER = CliRunner()


def call(*arguments: str) -> Any:
    result = RUNNER.invoke(app, arguments)
    if isinstance(result.exception, DPRError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def arguments(tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path: Path) -> list[str]:
    """Train on two languages with one weighted, validate on another article, settings from a file and from options."""
    english, korean = demo_files
    (tmp_path / "settings.toml").write_text("batch_size = 4\nmax_steps = 5\nepochs = 2\n", encoding="utf-8")
    return [
        "train", "--data", f"squad:{english}@:2", "--data-weight", "0.5", "--data", f"korquad:{korean}@:1",
        "--data-weight", "2", "--validate", f"squad:{english}@-1:", "--base", str(tiny_checkpoint), "--shared",
        "--config", str(tmp_path / "settings.toml"), "--max-steps", "2", "--output", str(tmp_path / "pair"), "--json",
    ]  # fmt: skip


def test_trains_a_pair_that_loads(arguments: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    record = call(*arguments)
    english = list(read_examples(arguments[2]))
    answerable = [example for example in english if not example.is_impossible]
    assert record["sources"][arguments[2]]["questions"] == len(answerable)
    assert f"unanswerable questions are left out ({len(english) - len(answerable)})" in caplog.text
    assert (record["training"]["batch_size"], record["training"]["max_steps"]) == (4, 2)
    assert [source["weight"] for source in record["sources"].values()] == [0.5, 2.0]
    assert set(record["validation"]) == {"recall@1", "recall@5", "recall@20", "mrr", "rank"}
    encoder = load_encoder(tmp_path / "pair")
    assert encoder.question_encoder is encoder.passage_encoder


def test_weights_must_fit_the_data(arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match="--data-weight was given 3 times and --data 2 times"):
        call(*arguments, "--data-weight", "1")


def test_questions_without_passages_are_refused(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("[]", encoding="utf-8")
    arguments[2] = f"dpr:{tmp_path / 'empty.json'}"
    with pytest.raises(DataError, match=r"empty\.json: has no question"):
        call(*arguments)


def test_an_unknown_setting_is_refused(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("batchsize = 4\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown setting 'batchsize'"):
        call(*arguments)
