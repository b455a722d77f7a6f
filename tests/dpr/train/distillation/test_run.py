from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dpr.data.parallel import SentencePair
from dpr.data.passages import read_examples
from dpr.errors import ConfigError, ModelError
from dpr.models.encoders import load_encoder
from dpr.train.batches import Source
from dpr.train.distillation.data import DistillationData
from dpr.train.distillation.run import distill
from dpr.train.distillation.settings import Distillation
from dpr.train.engine import RunOptions
from dpr.train.log import read_log
from dpr.types import Example, FloatArray, Passage
from tests.tiny_models import make_bert, make_cross_encoder

PAIRS = [SentencePair(f"pairs:{number}", f"{number} old ducks", f"늙은 오리 {number}") for number in range(24)]


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


@pytest.fixture(scope="module")
def examples(demo_files: tuple[Path, Path]) -> list[Example]:
    """Questions of the English demo corpus, each with the passage before as its negative."""
    found = [example for example in read_examples(f"squad:{demo_files[0]}@:4") if not example.is_impossible]
    passages = list(dict.fromkeys(example.positives[0] for example in found))
    before = {passage: passages[number - 1] for number, passage in enumerate(passages)}
    return [replace(example, negatives=(before[example.positives[0]],)) for example in found]


@pytest.fixture(scope="module")
def held_out(demo_files: tuple[Path, Path]) -> list[Example]:
    return list(read_examples(f"squad:{demo_files[0]}@-2:"))


@pytest.fixture(scope="module")
def cross_encoder(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cross_encoder(tiny_checkpoint, tmp_path_factory.mktemp("cross"))


@pytest.fixture(scope="module")
def student(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of one layer, half as deep as the teacher."""
    return make_bert(tiny_checkpoint, tmp_path_factory.mktemp("student"), 5, num_hidden_layers=1)


@pytest.fixture(scope="module")
def settings(tiny_checkpoint: Path, student: Path) -> Distillation:
    return Distillation(
        teacher=str(tiny_checkpoint), base=str(student), batch_size=8, learning_rate=3e-3, passage_tokens=64,
        question_tokens=24, hard_negatives=1, max_steps=6, checkpoint_steps=2, precision="fp32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def texts(examples: Sequence[Example]) -> list[Passage]:
    return list(dict.fromkeys(example.positives[0] for example in examples))


@pytest.fixture(scope="module")
def runs(
    settings: Distillation, examples: list[Example], texts: list[Passage], cross_encoder: Path
) -> dict[str, tuple[DistillationData, Distillation]]:
    """One run for each objective and kind of teacher."""
    questions = DistillationData(sources=[Source("questions", examples)])
    scores = replace(settings, objective="scores")
    return {
        "vectors": (DistillationData({"texts": texts}, sources=questions.sources), settings),
        "parallel": (DistillationData(pairs={"pairs": PAIRS}), replace(settings, objective="parallel")),
        "scores": (questions, scores),
        "cross-encoder": (questions, replace(scores, teacher="", cross_encoder=str(cross_encoder))),
    }


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.parent.name}/{name}": tensor
        for path in sorted(folder.glob("*/*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def cosines(one: FloatArray, two: FloatArray) -> float:
    return float((one * two).sum(1).mean())


def losses(output: Path) -> list[float]:
    return [line["loss"] for line in read_log(output) if line["kind"] == "train"]


def test_a_student_learns_the_vectors_of_its_teacher(
    settings: Distillation, texts: list[Passage], student: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    taught = replace(settings, max_steps=0, epochs=20)
    distill(DistillationData({"texts": texts[:-4]}), tmp_path, taught)
    found = losses(tmp_path)
    assert np.mean(found[-4:]) < 0.35 * found[0]
    teacher = load_encoder(tiny_checkpoint, "fp32").encode_passages(texts[-4:])
    before = cosines(load_encoder(student, "fp32").encode_passages(texts[-4:]), teacher)
    assert cosines(load_encoder(tmp_path, "fp32").encode_passages(texts[-4:]), teacher) > before + 0.3


def test_a_student_learns_where_translations_belong(
    settings: Distillation, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    taught = replace(settings, objective="parallel", base=str(tiny_checkpoint), max_steps=0, epochs=20)
    distill(DistillationData(pairs={"pairs": PAIRS[:-4]}), tmp_path, taught)
    teacher, learned = load_encoder(tiny_checkpoint, "fp32"), load_encoder(tmp_path, "fp32")
    sources = teacher.encode_questions([pair.source for pair in PAIRS[-4:]])
    targets = [pair.target for pair in PAIRS[-4:]]
    before = cosines(teacher.encode_questions(targets), sources)
    assert cosines(learned.encode_questions(targets), sources) > before + 0.5 * (1 - before)
    kept = learned.encode_questions([pair.source for pair in PAIRS[-4:]])
    assert cosines(kept, sources) > 0.9


@pytest.mark.parametrize("name", ["scores", "cross-encoder"])
def test_a_student_learns_the_scores_of_its_teacher(
    name: str, runs: dict[str, tuple[DistillationData, Distillation]], tmp_path: Path
) -> None:
    data, settings = runs[name]
    distill(data, tmp_path, replace(settings, max_steps=0, epochs=12))
    found = losses(tmp_path)
    per_epoch = len(found) // 12
    assert np.mean(found[-per_epoch:]) < 0.5 * np.mean(found[:per_epoch])


def test_a_teacher_is_its_own_perfect_student(
    settings: Distillation, texts: list[Passage], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    distill(DistillationData({"texts": texts}), tmp_path, replace(settings, base=str(tiny_checkpoint), max_steps=1))
    [loss] = losses(tmp_path)
    # the teacher reads whole passages, the student their first 64 tokens
    assert loss < 0.2
    long = replace(settings, base=str(tiny_checkpoint), max_steps=1, passage_tokens=128)
    distill(DistillationData({"texts": texts}), tmp_path / "long", long)
    assert losses(tmp_path / "long") == [0.0]


@pytest.mark.parametrize("name", ["vectors", "parallel", "scores", "cross-encoder"])
def test_a_killed_run_goes_on_to_the_same_weights(
    name: str, runs: dict[str, tuple[DistillationData, Distillation]], tmp_path: Path
) -> None:
    def kill(stage: str, done: int, total: int | None) -> None:
        if stage == "train" and done == 5:
            raise Killed

    data, settings = runs[name]
    settings = replace(settings, dropout=0.1)
    distill(data, tmp_path / "whole", settings)
    with pytest.raises(Killed):
        distill(data, tmp_path / "killed", settings, options=RunOptions(kill))
    torch.manual_seed(99)  # what a new process would bring is no help
    distill(data, tmp_path / "killed", settings)
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")


def test_a_state_of_other_texts_is_refused(settings: Distillation, texts: list[Passage], tmp_path: Path) -> None:
    def kill(stage: str, done: int, total: int | None) -> None:
        if stage == "train" and done == 3:
            raise Killed

    settings = replace(settings, batch_size=2)
    with pytest.raises(Killed):
        distill(DistillationData({"texts": texts}), tmp_path, settings, options=RunOptions(kill))
    with pytest.raises(ConfigError, match="holds an unfinished run with other settings or data"):
        distill(DistillationData({"texts": texts[1:]}), tmp_path, settings)


def test_the_student_is_saved_with_how_it_was_made(
    runs: dict[str, tuple[DistillationData, Distillation]], held_out: list[Example], tmp_path: Path
) -> None:
    data, settings = runs["scores"]
    ruinous = replace(settings, learning_rate=0.5, warmup_share=0.0, validate_steps=1, shared=False, lora_rank=2)
    record: Any = distill(data, tmp_path, ruinous, held_out, RunOptions(command="dpr distill"))
    assert json.loads((tmp_path / "training.json").read_text(encoding="utf-8")) == json.loads(json.dumps(record))
    assert record["teacher"]["fingerprint"] == load_encoder(settings.teacher).fingerprint
    assert record["sources"]["questions"]["questions"] == len(data.sources[0].examples)
    validations = [line["mrr"] for line in read_log(tmp_path) if line["kind"] == "validation"]
    assert record["validation"]["mrr"] == pytest.approx(max(validations), abs=1e-5)
    encoder = load_encoder(tmp_path, "fp32")
    assert encoder.question_encoder is not encoder.passage_encoder
    assert (tmp_path / "passage" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("name", ["vectors", "scores"])
def test_gradient_cache_takes_the_same_steps(
    name: str, runs: dict[str, tuple[DistillationData, Distillation]], tmp_path: Path
) -> None:
    data, settings = runs[name]
    settings = replace(settings, max_steps=3)
    distill(data, tmp_path / "plain", settings)
    distill(data, tmp_path / "cached", replace(settings, gradient_cache=True, chunk_tokens=128))
    # the log has five decimals
    assert losses(tmp_path / "cached") == pytest.approx(losses(tmp_path / "plain"), rel=1e-3, abs=1.5e-5)


@pytest.mark.parametrize(("name", "kind"), [("vectors", "texts"), ("scores", "questions")])
def test_a_loss_that_is_no_number_stops_with_step_and_ids(
    name: str, kind: str, runs: dict[str, tuple[DistillationData, Distillation]], tmp_path: Path
) -> None:
    data, settings = runs[name]
    with pytest.raises(ModelError, match=rf"step \d: the loss became nan over the {kind} [\w-]+, .*lower the learning"):
        distill(data, tmp_path, replace(settings, learning_rate=1e30, warmup_share=0.0))


def test_several_processes_are_refused(
    settings: Distillation, texts: list[Passage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="torchrun started 2 processes, but distillation runs in one"):
        distill(DistillationData({"texts": texts}), tmp_path, settings)
