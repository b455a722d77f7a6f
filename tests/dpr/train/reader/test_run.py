from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dpr.errors import ConfigError, DataError, ModelError
from dpr.reader.extractive.model import ReaderConfig, load_reader_model
from dpr.reader.extractive.reader import load_reader
from dpr.train.batches import Source
from dpr.train.engine import RunOptions
from dpr.train.reader.model import make_network
from dpr.train.reader.run import train_reader
from dpr.train.reader.settings import ReaderTraining
from dpr.types import Candidates, Example, Passage, Question

CONFIG = ReaderConfig(max_tokens=64, stride=8, question_tokens=16, max_answer_tokens=8)
NAMES = ["kim", "lee", "park", "choi", "jung", "kang", "cho", "yoon"]


def sources() -> list[Source]:
    return [Source("names", examples())]


def examples() -> list[Example]:
    made = []
    for number in range(48):
        name = NAMES[number % 8]
        text = f"{'x ' * (number % 5)}the name is {name} ."
        question = Question(f"q{number}", "name ?", (name,))
        made.append(Example(question, (Passage(f"p{number}", text),), answer_starts=(text.index(name),)))
    return made


def training(base: Path, **changes: object) -> ReaderTraining:
    settings = ReaderTraining(
        base=str(base), batch_tokens=256, learning_rate=3e-3, precision="fp32", checkpoint_steps=4, negative_share=0.0
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def losses(output: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_trained_reader_finds_the_answer(tiny_checkpoint: Path, tmp_path: Path) -> None:
    summary = train_reader(sources(), tmp_path, training(tiny_checkpoint, epochs=14), CONFIG)
    history = losses(tmp_path)
    assert sum(history[-5:]) / 5 < 0.3 * history[0]
    reader = load_reader(tmp_path, precision="fp32")
    [reading] = reader.read([Candidates("name ?", (Passage("p", "x the name is park ."),), (0.0,))])
    assert reading.answers[0].text.startswith("park")
    assert json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))["run"] == summary["run"]
    assert not (tmp_path / "state.safetensors").exists()


def test_an_adapter_is_made_without_a_warning_of_the_libraries(tiny_checkpoint: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = make_network(training(tiny_checkpoint, lora_rank=2))
    assert network.model.peft_config["default"].r == 2


class KilledError(Exception):
    """Stands for the process's end."""


@pytest.mark.parametrize("rank", [0, 4])
def test_a_killed_run_goes_on_to_the_same_weights(tiny_checkpoint: Path, tmp_path: Path, rank: int) -> None:
    settings = training(tiny_checkpoint, epochs=2, lora_rank=rank, dropout=0.1)

    def kill_at_step_6(stage: str, done: int, total: int | None) -> None:
        if done == 6:
            raise KilledError

    train_reader(sources(), tmp_path / "whole", settings, CONFIG)
    with pytest.raises(KilledError):
        train_reader(sources(), tmp_path / "killed", settings, CONFIG, options=RunOptions(kill_at_step_6))
    torch.manual_seed(1234)
    train_reader(sources(), tmp_path / "killed", settings, CONFIG)
    name = "adapter_model.safetensors" if rank else "model.safetensors"
    whole, resumed = (load_file(tmp_path / run / name) for run in ("whole", "killed"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_an_adapter_is_small_and_names_its_base(tiny_checkpoint: Path, tmp_path: Path) -> None:
    train_reader(sources(), tmp_path, training(tiny_checkpoint, epochs=1, lora_rank=2), CONFIG)
    saved = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert saved["base_model_name_or_path"] == str(tiny_checkpoint)
    assert not (tmp_path / "model.safetensors").exists()
    assert load_reader(tmp_path, precision="fp32").config == CONFIG


def test_an_adapter_reads_as_it_did_in_training(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = training(tiny_checkpoint, epochs=2, lora_rank=4, relevance_head=True)
    train_reader(sources(), tmp_path, settings, CONFIG)
    trained = make_network(replace(settings, start_from=str(tmp_path))).eval()
    saved, _, _ = load_reader_model(tmp_path)
    ids = torch.tensor([[2, 7, 8, 3, 9, 7, 10, 3]])
    types = (torch.arange(8) > 3).long()[None]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    for network in (trained, saved):
        logits = network(**inputs, token_type_ids=types)
        untyped = network(**inputs, token_type_ids=torch.zeros_like(types))
        assert not torch.allclose(logits.starts, untyped.starts)
    for ours, theirs in zip(
        trained(**inputs, token_type_ids=types), saved(**inputs, token_type_ids=types), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_state_of_other_settings_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def kill(stage: str, done: int, total: int | None) -> None:
        if done == 5:
            raise KilledError

    with pytest.raises(KilledError):
        train_reader(sources(), tmp_path, training(tiny_checkpoint), CONFIG, options=RunOptions(kill))
    with pytest.raises(ConfigError, match="holds an unfinished run with other settings or data"):
        train_reader(sources(), tmp_path, training(tiny_checkpoint, seed=2), CONFIG)


def test_bad_input_is_one_sentence(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training questions"):
        train_reader([], tmp_path, training(tiny_checkpoint), CONFIG)
    with pytest.raises(ConfigError, match="negative_share is 2; choose a share"):
        ReaderTraining(negative_share=2)
    with pytest.raises(ConfigError, match="learning_rate is nan"):
        training(tiny_checkpoint, learning_rate=float("nan"))
    with pytest.raises(
        ModelError, match=r"step \d+: the loss became \w+ over the questions q.*; lower the learning rate"
    ):
        train_reader(sources(), tmp_path, training(tiny_checkpoint, learning_rate=1e30), CONFIG)


def test_training_goes_on_from_another_reader(tiny_checkpoint: Path, tmp_path: Path) -> None:
    first = training(tiny_checkpoint, epochs=8, lora_rank=4, lora_alpha=8)
    train_reader(sources(), tmp_path / "first", first, CONFIG)
    second = replace(first, epochs=1, learning_rate=1e-9, start_from=str(tmp_path / "first"))
    second = replace(second, relevance_head=True, relevance_weight=0.0)
    train_reader(sources(), tmp_path / "second", second, CONFIG)
    assert losses(tmp_path / "second")[0] < 0.9 * losses(tmp_path / "first")[0]
    before, after = (load_file(tmp_path / run / "adapter_model.safetensors") for run in ("first", "second"))
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    assert load_file(tmp_path / "second" / "reader.safetensors").keys() == {"relevance.weight", "relevance.bias"}
    with pytest.raises(
        ModelError, match=r"cannot start from .*its weights have other shapes; give a reader of the same"
    ):
        train_reader(sources(), tmp_path / "third", replace(second, lora_rank=2), CONFIG)
    with pytest.raises(ModelError, match=r"cannot start from .*it is an adapter, but all weights are to be trained"):
        train_reader(sources(), tmp_path / "third", replace(second, lora_rank=0), CONFIG)


def test_another_lora_alpha_changes_nothing_at_the_start(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = training(tiny_checkpoint, epochs=2, lora_rank=4, lora_alpha=8)
    train_reader(sources(), tmp_path, settings, CONFIG)
    ids = torch.tensor([[2, 7, 8, 3, 9, 7, 10, 3]])
    starts = []
    for alpha in (8, 64):
        network = make_network(replace(settings, lora_alpha=alpha, start_from=str(tmp_path))).eval()
        logits = network(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=torch.zeros_like(ids))
        starts.append(logits.starts)
    torch.testing.assert_close(*starts)


def test_an_adapter_does_not_start_on_another_base(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = training(tiny_checkpoint, epochs=1, lora_rank=2)
    train_reader(sources(), tmp_path / "first", settings, CONFIG)
    other = shutil.copytree(tiny_checkpoint, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    save_file({name: weight * 1.5 for name, weight in weights.items()}, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"cannot start from .*it is an adapter of .*, which is another base; give a"):
        make_network(replace(settings, base=str(other), start_from=str(tmp_path / "first")))
    same = shutil.copytree(tiny_checkpoint, tmp_path / "same")
    make_network(replace(settings, base=str(same), start_from=str(tmp_path / "first")))


def test_whole_weights_go_on_from_whole_weights(tiny_checkpoint: Path, tmp_path: Path) -> None:
    first = training(tiny_checkpoint, epochs=8, relevance_head=True, relevance_weight=0.1)
    train_reader(sources(), tmp_path / "first", first, CONFIG)
    second = replace(first, epochs=1, learning_rate=1e-9, start_from=str(tmp_path / "first"))
    train_reader(sources(), tmp_path / "second", second, CONFIG)
    assert losses(tmp_path / "second")[0] < 0.5 * losses(tmp_path / "first")[0]
    before, after = (load_file(tmp_path / run / "reader.safetensors") for run in ("first", "second"))
    assert torch.allclose(before["relevance.weight"], after["relevance.weight"], atol=1e-6)
