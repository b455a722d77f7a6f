from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.data.passages import read_examples
from dpr.errors import ConfigError
from dpr.models.checkpoint import file_sha256
from dpr.models.encoders import load_encoder
from dpr.models.export import ExportFormat, export
from dpr.train.batches import Source
from dpr.train.distributed import Processes
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from dpr.train.engine import RunOptions
from dpr.train.memory import SHARES
from dpr.train.run_folder import MARK, STATE, RunFolder


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


@pytest.fixture(scope="module")
def sources(demo_files: tuple[Path, Path]) -> list[Source]:
    return [Source("english", list(read_examples(f"squad:{demo_files[0]}@:1")))]


@pytest.fixture(scope="module")
def training(tiny_checkpoint: Path) -> Training:
    return Training(str(tiny_checkpoint), batch_size=8, passage_tokens=32, max_steps=3, checkpoint_steps=2, epochs=2)


def kill(sources: list[Source], output: Path, training: Training, step: int, **options: Any) -> None:
    def at(stage: str, done: int, total: int | None) -> None:
        if done == step:
            raise Killed

    with pytest.raises(Killed):
        train(sources, output, training, options=RunOptions(at, **options))


def test_a_finished_run_is_not_repeated(
    sources: list[Source], training: Training, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = train(sources, tmp_path, training)
    written = file_sha256(tmp_path / "question" / "model.safetensors")
    with caplog.at_level(logging.INFO):
        assert train(sources, tmp_path, training) == json.loads(json.dumps(record))
    assert "holds this run, and it is finished; --overwrite trains it again" in caplog.text
    other = replace(training, seed=2)
    with pytest.raises(ConfigError, match=r"already holds a model \(encoder\.json\); choose another .*--overwrite"):
        train(sources, tmp_path, other)
    assert file_sha256(tmp_path / "question" / "model.safetensors") == written
    train(sources, tmp_path, replace(other, shared=True), options=RunOptions(overwrite=True))
    assert not (tmp_path / "passage").exists()
    encoder = load_encoder(tmp_path, "fp32", "torch")
    assert encoder.question_encoder is encoder.passage_encoder


def test_a_copy_of_a_finished_run_is_not_the_run(sources: list[Source], training: Training, tmp_path: Path) -> None:
    train(sources, tmp_path / "pair", training)
    export(str(tmp_path / "pair"), tmp_path / "copy", ExportFormat("as-is", "fp16"))
    with pytest.raises(ConfigError, match="already holds a model"):
        train(sources, tmp_path / "copy", training)


def test_a_base_of_other_weights_is_another_run(
    sources: list[Source], training: Training, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    export(str(tiny_checkpoint), tmp_path / "base")
    based = replace(training, base=str(tmp_path / "base"))
    train(sources, tmp_path / "pair", based)
    export(str(tmp_path / "pair"), tmp_path / "base", overwrite=True)
    with pytest.raises(ConfigError, match="already holds a model"):
        train(sources, tmp_path / "pair", based)


def test_the_log_says_whether_a_run_resumes_or_starts_anew(
    sources: list[Source], training: Training, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kill(sources, tmp_path, training, 1)
    assert (tmp_path / MARK).is_file()
    assert "starting again" not in caplog.text
    kill(sources, tmp_path, training, 3)
    assert "the previous run was killed before its first checkpoint; starting again" in caplog.text
    assert "resuming" not in caplog.text
    train(sources, tmp_path, training)
    assert "resuming from step 2 of 3" in caplog.text
    assert not (tmp_path / MARK).exists()
    assert not (tmp_path / STATE).exists()


def test_another_run_s_state_is_discarded_only_with_overwrite(
    sources: list[Source], training: Training, tmp_path: Path
) -> None:
    kill(sources, tmp_path, training, 3)
    other = replace(training, seed=2)
    with pytest.raises(ConfigError, match=r"holds an unfinished run with other settings or data.*--overwrite"):
        train(sources, tmp_path, other)
    kill(sources, tmp_path, other, 3, overwrite=True)
    assert train(sources, tmp_path, other, options=RunOptions(overwrite=True))["steps"] == 3


def test_a_run_that_left_no_state_does_not_block_another(
    sources: list[Source], training: Training, tmp_path: Path
) -> None:
    kill(sources, tmp_path, training, 1)
    assert train(sources, tmp_path, replace(training, seed=2))["steps"] == 3


def test_a_run_goes_on_with_the_gradient_cache_that_it_began_with(
    sources: list[Source], training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(sources, tmp_path, training, 3)
    monkeypatch.setitem(SHARES, "cpu", 0.0)
    record: Any = train(sources, tmp_path, training)
    assert record["gradient_cache"] is False
    assert record["memory"].startswith("gradient cache off, as when this run began")
    new: Any = train(sources, tmp_path / "new", training)
    assert new["gradient_cache"] is True


def test_the_base_is_never_the_output(sources: list[Source], training: Training, tmp_path: Path) -> None:
    train(sources, tmp_path / "pair", training)
    for name in ("pair", "pair/question"):
        based = replace(training, base=str(tmp_path / name))
        with pytest.raises(ConfigError, match=r"is the folder of .* itself, or of its base"):
            train(sources, tmp_path / "pair", based, options=RunOptions(overwrite=True))


def test_only_this_run_s_mark_records_its_gradient_cache(tmp_path: Path) -> None:
    one, other = (RunFolder(tmp_path, run, overwrite=False, processes=Processes()) for run in ("one", "other"))
    noted = [one.gradient_cache]
    one.begin()
    one.note_gradient_cache(True)
    assert [*noted, one.gradient_cache, other.gradient_cache] == [None, True, None]


def test_the_terminal_says_what_a_run_goes_on_from(
    tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    arguments = [
        "train", "--data", f"squad:{demo_files[0]}@:1", "--base", str(tiny_checkpoint), "--batch-size", "8",
        "--max-steps", "2", "--output", str(tmp_path),
    ]  # fmt: skip
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0
    assert "training 80,576 of 82,689 parameters" in first.stderr
    assert "gradient cache off: a step takes about" in first.stderr
    assert "trainable parameters" in first.stdout
    second = CliRunner().invoke(app, arguments)
    assert "holds this run, and it is finished" in second.stderr
    assert isinstance(CliRunner().invoke(app, [*arguments, "--seed", "2"]).exception, ConfigError)
    assert CliRunner().invoke(app, [*arguments, "--seed", "2", "--overwrite"]).exit_code == 0
