from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from dpr.errors import ConfigError, DataError, ModelError
from dpr.models.checkpoint import load_tokenizer
from dpr.models.cross_encoder import PairTokenizer, load_cross_encoder
from dpr.train.batches import Source
from dpr.train.cross_encoder.run import held_out_groups, make_cross_encoder, ranked_sources, train_cross_encoder
from dpr.train.cross_encoder.settings import CrossEncoderTraining
from dpr.train.cross_encoder.step import CrossEncoderObjective, chunks_of_groups, epoch_groups, group_losses
from dpr.train.distillation.data import DistillationData
from dpr.train.distillation.run import distill
from dpr.train.distillation.settings import Distillation
from dpr.train.distributed import Processes
from dpr.train.engine import RunOptions
from dpr.train.step import Step
from dpr.types import Example, Passage, Question
from tests.tiny_models import make_bert
from tests.tiny_models import make_cross_encoder as make_scorer

COLORS = ["red", "blue", "green", "black", "white", "grey"]
ONE_PROCESS = Processes()


def passage(color: str, length: int) -> Passage:
    return Passage(f"{color}{length}", f"{'x ' * length}it is {color} .", "a thing")


def examples(count: int = 36) -> list[Example]:
    """Ask whether a thing is red; what the others are does not matter."""
    made = []
    for number in range(count):
        others = [passage(color, (number + place) % 4) for place, color in enumerate(COLORS[1:])]
        made.append(
            Example(Question(f"q{number}", f"red {number % 3} ?"), (passage("red", number % 4),), tuple(others))
        )
    return made


def training(base: Path, **changes: object) -> CrossEncoderTraining:
    settings = CrossEncoderTraining(
        base=str(base), batch_size=6, hard_negatives=3, learning_rate=3e-3, precision="fp32", checkpoint_steps=4
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def sources() -> list[Source]:
    return [Source("colors", examples())]


@pytest.mark.parametrize("rank", [0, 4])
def test_a_trained_cross_encoder_ranks_the_passage_first(tiny_checkpoint: Path, tmp_path: Path, rank: int) -> None:
    record = train_cross_encoder(sources(), tmp_path, training(tiny_checkpoint, epochs=8, lora_rank=rank))
    assert record["negatives"] == 3
    assert record["questions_without_negatives"] == 0
    model = load_cross_encoder(tmp_path, "fp32")
    scores = model.score(["red 7 ?"] * 6, [passage(color, 2) for color in COLORS])
    assert scores.argmax() == 0
    assert scores[0] - np.sort(scores)[-2] > 1
    assert (tmp_path / "adapter_config.json").is_file() == bool(rank)
    assert not (tmp_path / "state.safetensors").exists()


def test_a_saved_adapter_scores_as_the_trained_model_did(tiny_checkpoint: Path, tmp_path: Path) -> None:
    base = make_bert(tiny_checkpoint, tmp_path / "base", seed=3)
    weights = {name: weight for name, weight in load_file(base / "model.safetensors").items() if "pooler" not in name}
    save_file(weights, base / "model.safetensors", {"format": "pt"})  # as a base of which only the BERT is published
    settings = training(base, lora_rank=4, max_steps=3)
    train_cross_encoder(sources(), tmp_path / "run", settings)
    saved = json.loads((tmp_path / "run" / "adapter_config.json").read_text(encoding="utf-8"))
    assert saved["base_model_name_or_path"] == str(base)
    one, again = (load_cross_encoder(tmp_path / "run", "fp32") for _ in range(2))
    pairs = ["red 1 ?"] * 6, [passage(color, 1) for color in COLORS]
    assert np.array_equal(one.score(*pairs), again.score(*pairs))
    assert one.fingerprint == again.fingerprint
    with pytest.raises(ModelError, match=r"has no weights for \w*\.?pooler|has no weights for classifier"):
        load_cross_encoder(base)


def test_an_adapter_is_made_without_a_warning_of_the_libraries(tiny_checkpoint: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, adapted = make_cross_encoder(training(tiny_checkpoint, lora_rank=2))
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert {name.split(".")[0] for name in trained} == {"bert", "classifier"}
    assert not [name for name in trained if "pooler" in name and "lora" in name]
    assert adapted.peft_config["default"].r == 2


def test_the_loss_is_the_cross_entropy_of_each_group() -> None:
    torch.manual_seed(1)
    logits = torch.randn(9)
    expected = [
        functional.cross_entropy(logits[None, first:end], torch.tensor([0])) for first, end in ((0, 4), (4, 6), (6, 9))
    ]
    assert torch.allclose(group_losses(logits, [4, 2, 3]), torch.stack(expected))


def test_chunks_hold_whole_groups_within_the_limit() -> None:
    lengths = [3, 3, 2, 2, 9, 9, 1, 1]
    assert list(chunks_of_groups(lengths, [2, 2, 2, 2], 10)) == [(0, [2, 2]), (4, [2]), (6, [2])]
    assert list(chunks_of_groups([], [], 10)) == []


def test_gradients_are_those_of_the_groups_one_by_one_whatever_the_chunks(tiny_checkpoint: Path) -> None:
    model, _ = make_cross_encoder(training(tiny_checkpoint))
    pairs = PairTokenizer(load_tokenizer(tiny_checkpoint), model)
    [batch, *_] = epoch_groups(sources(), training(tiny_checkpoint), 0)
    gradients = []
    for chunk_tokens in (1, 90, 10_000):
        settings = training(tiny_checkpoint, chunk_tokens=chunk_tokens)
        objective = CrossEncoderObjective(model, pairs, sources(), settings, ONE_PROCESS)
        model.zero_grad()
        result = Step(objective, model.device, torch.float32, ONE_PROCESS).backward([batch])
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters()]))
    assert result.questions == len(batch)
    assert torch.allclose(gradients[0], gradients[2], atol=1e-6)
    assert torch.allclose(gradients[1], gradients[2], atol=1e-6)
    texts = [[*group.positives, *group.negatives] for group in batch]
    columns = [pairs.columns([group.question.text] * 4, of) for group, of in zip(batch, texts, strict=True)]
    losses = [
        functional.cross_entropy(model(**pairs.inputs(of_group, range(4), model.device)).logits.T, torch.tensor([0]))
        for of_group in columns
    ]
    assert result.loss == pytest.approx(float(torch.stack(losses).mean().detach()), abs=1e-5)


def test_an_epoch_draws_negatives_anew_and_the_same_for_the_same_seed(tiny_checkpoint: Path) -> None:
    settings = training(tiny_checkpoint, hard_negatives=2)
    weighted = [Source("colors", examples(), 1.5)]
    first, again, second = (epoch_groups(weighted, settings, epoch) for epoch in (0, 0, 1))
    assert first == again
    assert first != second
    assert sum(map(len, first)) == 54
    assert {len(group.negatives) for batch in first for group in batch} == {2}
    drawn = {(one.question.id, one.negatives) for batches in (first, second) for batch in batches for one in batch}
    assert len(drawn) > 54


def test_questions_without_negatives_get_what_bm25_finds_and_no_positive_of_theirs() -> None:
    bare = [
        Example(Question("1", "who wrote the river song", ("Kim",)), (Passage("p1", "Kim wrote the river song"),)),
        Example(Question("2", "who sang the river song", ("Lee",)), (Passage("p2", "Lee sang the river song"),)),
        Example(Question("3", "zzz", ()), (Passage("p3", "nothing in common"),)),
        Example(
            Question("4", "mined", ()), (Passage("p4", "mined"),), (Passage("n", "its own"), Passage("m", "mined"))
        ),
    ]
    one, other = ranked_sources([Source("a", bare[:2], 2.0), Source("b", bare[2:])])
    assert [example.negatives[0].id for example in one.examples] == ["p2", "p1"]
    assert one.weight == 2.0
    [mined] = other.examples
    assert (mined.question.id, [negative.id for negative in mined.negatives]) == ("4", ["n"])
    assert [len(example.negatives) for example in held_out_groups(examples(3), 2)] == [2, 2, 2]


class KilledError(Exception):
    """Stands for the process's end."""


@pytest.mark.parametrize("rank", [0, 4])
def test_a_killed_run_goes_on_to_the_same_weights(tiny_checkpoint: Path, tmp_path: Path, rank: int) -> None:
    settings = training(tiny_checkpoint, max_steps=8, epochs=2, lora_rank=rank, dropout=0.1)

    def kill_at_step_6(stage: str, done: int, total: int | None) -> None:
        if done == 6:
            raise KilledError

    train_cross_encoder(sources(), tmp_path / "whole", settings, examples(4))
    with pytest.raises(KilledError):
        train_cross_encoder(sources(), tmp_path / "killed", settings, examples(4), options=RunOptions(kill_at_step_6))
    torch.manual_seed(1234)
    record: Any = train_cross_encoder(sources(), tmp_path / "killed", settings, examples(4))
    name = "adapter_model.safetensors" if rank else "model.safetensors"
    whole, resumed = (load_file(tmp_path / run / name) for run in ("whole", "killed"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert record["validation"].keys() == {"recall@1", "recall@5", "recall@20", "mrr", "rank"}
    assert train_cross_encoder(sources(), tmp_path / "killed", settings, examples(4)) == record
    with pytest.raises(ConfigError, match="already holds a model"):
        train_cross_encoder(sources(), tmp_path / "killed", replace(settings, seed=2))


def test_it_teaches_a_student(tiny_checkpoint: Path, tmp_path: Path) -> None:
    train_cross_encoder(sources(), tmp_path / "teacher", training(tiny_checkpoint, max_steps=2, lora_rank=4))
    settings = Distillation(
        str(tiny_checkpoint), objective="scores", cross_encoder=str(tmp_path / "teacher"), batch_size=6, max_steps=2,
        precision="fp32", passage_tokens=32, question_tokens=16,
    )  # fmt: skip
    record = distill(DistillationData(sources=sources()), tmp_path / "student", settings)
    assert record["steps"] == 2
    assert record["teacher"] == {
        "name": str(tmp_path / "teacher"),
        "fingerprint": load_cross_encoder(tmp_path / "teacher", "fp32").fingerprint,
    }


def test_bad_input_is_one_sentence(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = training(tiny_checkpoint)
    with pytest.raises(DataError, match="there is no training data"):
        train_cross_encoder([], tmp_path, settings)
    with pytest.raises(DataError, match=r"none: there is no question with a passage"):
        train_cross_encoder([Source("none", [])], tmp_path, settings)
    alone = [Source("alone", [replace(one, negatives=()) for one in examples(1)])]
    with pytest.raises(DataError, match=r"there are no negatives for any of the 1 questions of alone; .*dpr mine"):
        train_cross_encoder(alone, tmp_path, settings)
    with pytest.raises(DataError, match=r"the validation data: there is no question with a passage"):
        train_cross_encoder(sources(), tmp_path, settings, [replace(examples(1)[0], is_impossible=True)])
    with pytest.raises(ConfigError, match="hard_negatives is 0; it must be at least 1"):
        CrossEncoderTraining(hard_negatives=0)
    three = make_scorer(tiny_checkpoint, tmp_path / "three", labels=3)
    with pytest.raises(ModelError, match=r"three cannot be loaded as AutoModelForSequenceClassification"):
        train_cross_encoder(sources(), tmp_path / "run", training(three))
    with pytest.raises(
        ModelError, match=r"step \d+: the loss became \w+ over the questions q.*; lower the learning rate"
    ):
        train_cross_encoder(sources(), tmp_path / "run", training(tiny_checkpoint, learning_rate=1e30))
