from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dpr.data.passages import read_examples
from dpr.errors import ConfigError, DataError, DiskFullError, ModelError
from dpr.models.encoders import load_encoder
from dpr.train.batches import Source
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from dpr.train.engine import RunOptions
from dpr.train.log import read_log
from dpr.train.state import save_state
from dpr.types import Example, Passage, Question


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


@pytest.fixture(scope="module")
def sources(demo_files: tuple[Path, Path]) -> list[Source]:
    """Four articles of the English demo corpus and one of the Korean."""
    english, korean = demo_files
    return [
        Source("english", list(read_examples(f"squad:{english}@:4"))),
        Source("korean", list(read_examples(f"korquad:{korean}@:1"))),
    ]


@pytest.fixture(scope="module")
def held_out(demo_files: tuple[Path, Path]) -> list[Example]:
    return list(read_examples(f"squad:{demo_files[0]}@-2:"))


@pytest.fixture(scope="module")
def training(tiny_checkpoint: Path) -> Training:
    return Training(
        base=str(tiny_checkpoint), batch_size=8, learning_rate=1e-3, passage_tokens=64, question_tokens=24,
        validate_steps=3, checkpoint_steps=2, max_steps=8, dropout=0.1, precision="fp32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(
    training: Training, sources: list[Source], held_out: list[Example], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, object]]:
    output = tmp_path_factory.mktemp("trained") / "pair"
    return output, train(sources, output, training, held_out)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return all weights that a folder's encoders were saved with."""
    return {
        f"{path.parent.name}/{path.name}/{name}": tensor
        for path in sorted(folder.glob("*/*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def equal(one: Path, two: Path) -> bool:
    first, second = weights(one), weights(two)
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_learns_its_training_pairs(tiny_checkpoint: Path, sources: list[Source], tmp_path: Path) -> None:
    training = Training(base=str(tiny_checkpoint), batch_size=16, learning_rate=3e-3, epochs=20, passage_tokens=64)
    record = train(sources[:1], tmp_path, replace(training, precision="fp32"))
    losses = [line["loss"] for line in read_log(tmp_path)]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert record["steps"] == len(losses)


def test_the_pair_is_saved_with_how_it_was_made(trained: tuple[Path, dict[str, object]], training: Training) -> None:
    output, record = trained
    encoder = load_encoder(output, "fp32")
    assert encoder.config.passage_tokens == 64
    assert encoder.question_encoder is not encoder.passage_encoder
    assert encoder.encode_questions(["Who?"]).shape == (1, 32)
    written = json.loads((output / "training.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(record))
    assert written["training"]["seed"] == training.seed
    assert set(written["sources"]) == {"english", "korean"}
    assert written["steps"] == 8
    assert not list(output.glob("*.safetensors")), "no state is left behind"


def test_the_log_has_each_step_once_with_its_negatives(trained: tuple[Path, dict[str, object]]) -> None:
    lines = read_log(trained[0])
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, 9))
    assert [line["step"] for line in lines if line["kind"] == "validation"] == [3, 6, 8]
    assert all(0 < line["negatives"] < 16 for line in lines if line["kind"] == "train")


def test_the_best_weights_are_kept(
    training: Training, sources: list[Source], held_out: list[Example], tmp_path: Path
) -> None:
    ruinous = replace(training, learning_rate=0.5, warmup_share=0.0, validate_steps=1, max_steps=5)
    record: Any = train(sources, tmp_path, ruinous, held_out)
    validations = [line["mrr"] for line in read_log(tmp_path) if line["kind"] == "validation"]
    assert record["validation"]["mrr"] == pytest.approx(max(validations), abs=1e-5)
    assert record["best_step"] == 1 + validations.index(max(validations))


def test_stops_after_validations_without_a_better_one(
    training: Training, sources: list[Source], held_out: list[Example], tmp_path: Path
) -> None:
    ruinous = replace(
        training, learning_rate=0.5, warmup_share=0.0, validate_steps=1, patience=2, max_steps=0, epochs=9
    )
    record: Any = train(sources, tmp_path, ruinous, held_out)
    assert record["steps"] == record["best_step"] + 2


@pytest.mark.parametrize("killed_at", [1, 5, 8])
def test_a_killed_run_goes_on_to_the_same_weights(
    killed_at: int,
    trained: tuple[Path, dict[str, object]],
    training: Training,
    sources: list[Source],
    held_out: list[Example],
    tmp_path: Path,
) -> None:
    def kill(stage: str, done: int, total: int | None) -> None:
        if done == killed_at:
            raise Killed

    with pytest.raises(Killed):
        train(sources, tmp_path, training, held_out, RunOptions(kill))
    torch.manual_seed(99)  # what a new process would bring is no help
    train(sources, tmp_path, training, held_out)
    assert equal(tmp_path, trained[0])
    assert without_speed(tmp_path) == without_speed(trained[0])


def without_speed(output: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "pairs_per_s"} for line in read_log(output)]


def test_a_state_of_other_settings_is_refused(training: Training, sources: list[Source], tmp_path: Path) -> None:
    def kill(stage: str, done: int, total: int | None) -> None:
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        train(sources, tmp_path, training, options=RunOptions(kill))
    with pytest.raises(ConfigError, match="holds an unfinished run with other settings or data"):
        train(sources, tmp_path, replace(training, learning_rate=2e-3))


def test_gradient_cache_takes_the_same_steps(
    trained: tuple[Path, dict[str, object]],
    training: Training,
    sources: list[Source],
    held_out: list[Example],
    tmp_path: Path,
) -> None:
    plain = train(sources, tmp_path / "plain", replace(training, dropout=0.0))
    cached = train(sources, tmp_path / "cached", replace(training, dropout=0.0, gradient_cache=True, chunk_tokens=128))
    assert cached["last_loss"] == pytest.approx(plain["last_loss"], rel=1e-4)


def test_a_full_disk_leaves_the_state_before(
    training: Training, sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def full(*arguments: Any) -> None:
        calls.append(arguments[1])
        if len(calls) == 2:
            monkeypatch.setattr("dpr.train.state.save_file", fail)
        save_state(*arguments)

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dpr.train.loop.save_state", full)
    with pytest.raises(DiskFullError, match=r"no space left on the disk of .*; free some and run the same command"):
        train(sources, tmp_path, training)
    monkeypatch.undo()
    assert calls == [2, 4]
    whole = tmp_path / "whole"
    train(sources, whole, training)
    train(sources, tmp_path, training)
    assert equal(tmp_path, whole)


def test_a_loss_that_is_no_number_stops_with_step_and_ids(
    training: Training, sources: list[Source], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"step \d.*the loss became nan over the questions .*lower the learning rate"):
        train(sources, tmp_path, replace(training, learning_rate=1e30, warmup_share=0.0))


def test_accumulation_warns_that_it_adds_no_negatives(
    training: Training, sources: list[Source], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        train(sources, tmp_path, replace(training, accumulation_steps=2, max_steps=1))
    assert "adds no negatives" in caplog.text
    [line] = [line for line in read_log(tmp_path) if line["kind"] == "train"]
    assert line["negatives"] < 8


def test_cut_passages_are_told(
    training: Training, sources: list[Source], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        record: Any = train(sources, tmp_path, replace(training, max_steps=1, passage_tokens=16))
    assert record["cut_passages"] > 0
    assert "are longer than passage_tokens 16 and are cut" in caplog.text


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"hard_negatives": -1}, "hard_negatives is -1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"warmup_share": 1.0}, "each must be at least 0 and below 1"),
        ({"weight_decay": float("nan")}, "weight_decay is nan; choose a number of 0 or more"),
        ({"max_grad_norm": 0.0}, "max_grad_norm is 0.0; choose a number above 0"),
        ({"max_grad_norm": float("nan")}, "max_grad_norm is nan; choose a number above 0"),
        ({"lora_rank": 4, "lora_alpha": 0}, "lora_alpha is 0; it must be at least 1"),
        ({"lora_rank": 1_000_000_000}, "lora_rank is 1000000000; choose at most 4,096"),
        ({"seed": 10**19}, "seed is 10000000000000000000; choose a number of fewer digits"),
        ({"metric": "accuracy"}, "unknown metric 'accuracy'; choose mrr, recall@1"),
        ({"pooling": "min"}, "unknown pooling 'min'"),
    ],
)
def test_impossible_settings_are_refused(
    change: dict[str, Any], cause: str, training: Training, sources: list[Source], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=cause):
        train(sources, tmp_path, replace(training, **change))


def test_nothing_to_train_on_is_refused(training: Training, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training data"):
        train([], tmp_path, training)
    one = Source("one", [Example(Question("1", "Why?"), (Passage("p", "Because."),))])
    with pytest.raises(DataError, match="no batch to train on"):
        train([one], tmp_path, training)
    with pytest.raises(DataError, match="no question of the validation data has a passage"):
        train([one], tmp_path, training, [Example(Question("1", "Why?"), ())])


def test_a_trained_pair_can_be_trained_further(
    trained: tuple[Path, dict[str, object]], training: Training, sources: list[Source], tmp_path: Path
) -> None:
    shutil.copytree(trained[0], tmp_path / "first")
    train(sources, tmp_path / "second", replace(training, base=str(tmp_path / "first"), max_steps=1))
    assert load_encoder(tmp_path / "second").dimension == 32
    with pytest.raises(ConfigError, match="two different encoders, which cannot be shared; set shared to false"):
        train(sources, tmp_path / "third", replace(training, base=str(tmp_path / "first"), shared=True))
