from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from dpr.config import load_config
from dpr.errors import ConfigError, DataError, ModelError
from dpr.train.adaptation.settings import Adaptation
from dpr.train.batches import Source
from dpr.train.engine import Run, RunOptions, Trainee, run_training
from dpr.train.log import read_log
from dpr.train.memory import StepMemory
from dpr.train.primitives import KEPT, VARIABLES
from dpr.train.record import describe_origin, describe_sources, run_identity
from dpr.train.run_folder import STATE
from dpr.train.schedule import LoraSchedule, Schedule
from dpr.train.step import Task
from dpr.types import Example, Passage, Question


@dataclass(frozen=True)
class Toy(Schedule):
    """Settings of a training that fits a line."""

    batch_size: int = 4
    metric: str = "error"
    metrics: ClassVar[tuple[str, ...]] = ("error",)
    lower_is_better: ClassVar[tuple[str, ...]] = ("error",)
    record_key: ClassVar[str] = "toy"


class Line:
    """Points on a line, in an order of each epoch."""

    def __init__(self, module: nn.Module, settings: Toy, points: int, needed_bytes: int) -> None:
        self._module = module
        self._settings = settings
        self._points = points
        self._needed_bytes = needed_bytes

    def batches(self, epoch: int) -> list[torch.Tensor]:
        order = torch.randperm(self._points, generator=torch.Generator().manual_seed(epoch))
        return list(order.split(self._settings.batch_size)) if self._points else []

    def memory(self) -> StepMemory:
        return StepMemory(weights=self._needed_bytes, chunk=0)

    def tasks(self, batches: Sequence[torch.Tensor]) -> list[Task]:
        return [Task([[partial(self._losses, batch)]], [str(int(place)) for place in batch]) for batch in batches]

    def _losses(self, places: torch.Tensor) -> torch.Tensor:
        x = places.float()[:, None] / self._points
        errors: torch.Tensor = (self._module(x) - (2 * x + 1)).square()[:, 0]
        return errors


SETTINGS = Toy(base="none", epochs=3, learning_rate=0.05, dropout=0.5, checkpoint_steps=2, precision="fp32")


def fit(
    output: Path,
    settings: Toy = SETTINGS,
    points: int = 12,
    needed_bytes: int = 0,
    errors: list[float] | None = None,
    **call: Any,
) -> dict[str, Any]:
    """Train; ``errors`` gets that of each measurement."""

    def prepare(run: Run) -> Trainee[torch.Tensor]:
        module = nn.Sequential(nn.Linear(1, 8), nn.Dropout(settings.dropout), nn.Linear(8, 1)).train()
        x = torch.arange(points)[:, None] / points

        def measure() -> dict[str, float]:
            module.eval()
            error = float((module(x) - (2 * x + 1)).square().mean().detach())
            module.train()
            if errors is not None:
                errors.append(error)
            return {"error": error}

        def save(folder: Path) -> None:
            save_file(module.state_dict(), folder / "line.safetensors")

        objective = Line(module, settings, points, needed_bytes)
        return Trainee(
            module, objective if settings.max_steps != 99 else None, save, lambda: {"points": points}, measure
        )

    return run_training(output, settings, {"points": points}, [], prepare, RunOptions(**call))


class KilledError(Exception):
    """Stands for the process's end."""


def kill_at(step: int) -> Any:
    def progress(stage: str, done: int, total: int | None) -> None:
        assert (stage, total) == ("train", 9)
        if done == step:
            raise KilledError

    return progress


UNLIKE = {"seconds": 0, "memory": ""}
"""What the record of a resumed run may say otherwise: time, and memory that was free."""


@pytest.mark.parametrize("step", [1, 2, 5, 9])
def test_a_killed_training_goes_on_to_the_same_weights_log_and_record(step: int, tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole")
    with pytest.raises(KilledError):
        fit(tmp_path / "killed", progress=kill_at(step))
    torch.manual_seed(99)
    resumed = fit(tmp_path / "killed")
    one, other = (load_file(tmp_path / name / "line.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert [{**line, "pairs_per_s": 0} for line in read_log(tmp_path / "whole")] == [
        {**line, "pairs_per_s": 0} for line in read_log(tmp_path / "killed")
    ]
    assert resumed | UNLIKE == whole | UNLIKE
    assert not (tmp_path / "killed" / STATE).exists()


def test_a_run_killed_after_its_last_state_has_the_same_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*arguments: Any) -> None:
        raise KilledError

    settings = replace(SETTINGS, checkpoint_steps=3)
    whole = fit(tmp_path / "whole", settings)
    with monkeypatch.context() as patched:
        patched.setattr("dpr.train.run_folder.RunFolder.finish", killed)
        with pytest.raises(KilledError):
            fit(tmp_path / "killed", settings)
    assert fit(tmp_path / "killed", settings) | UNLIKE == whole | UNLIKE


def test_the_best_validation_is_not_measured_again(tmp_path: Path) -> None:
    errors: list[float] = []
    record = fit(tmp_path, errors=errors)
    assert len(errors) == SETTINGS.epochs
    assert record["validation"] == {"error": min(errors)}


def test_the_record_says_how_the_model_was_made(tmp_path: Path) -> None:
    record = fit(tmp_path, command="dpr fit")
    assert json.loads((tmp_path / "training.json").read_text(encoding="utf-8")) == record
    assert record["toy"]["learning_rate"] == 0.05
    assert (record["steps"], record["command"], record["points"], record["processes"]) == (9, "dpr fit", 12, 1)
    assert "negatives" not in record
    validations = [line["error"] for line in read_log(tmp_path) if line["kind"] == "validation"]
    assert len(validations) == 3
    assert record["validation"]["error"] == pytest.approx(min(validations), abs=1e-5)
    assert fit(tmp_path, progress=kill_at(1)) == record, "a finished training is not repeated"
    with pytest.raises(ConfigError, match=r"already holds a model"):
        fit(tmp_path, replace(SETTINGS, seed=2))
    assert fit(tmp_path, replace(SETTINGS, checkpoint_steps=7)) == record


def test_a_training_keeps_few_primitives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    fit(tmp_path)
    assert [os.environ.get(variable) for variable in VARIABLES] == [str(KEPT)] * 2


def test_a_training_returns_free_memory_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    returned: list[bool] = []
    monkeypatch.setattr("dpr.train.loop.return_free_blocks", lambda: returned.append(True))
    monkeypatch.setattr("dpr.train.loop.RETURN_STEPS", 4)
    assert fit(tmp_path)["steps"] == 9
    assert len(returned) == 2


def test_a_training_without_an_objective_saves_alone(tmp_path: Path) -> None:
    record = fit(tmp_path, replace(SETTINGS, max_steps=99))
    assert record["steps"] == 0
    assert (tmp_path / "line.safetensors").is_file()
    assert not (tmp_path / "log.jsonl").exists()


def test_what_cannot_be_trained_leaves_the_model_that_is_there(tmp_path: Path) -> None:
    before = fit(tmp_path)
    with pytest.raises(DataError, match="no batch"):
        fit(tmp_path, points=0, overwrite=True)
    assert fit(tmp_path) == before
    with pytest.raises(ConfigError, match=r"a step takes about .* at least, and .* free; lower chunk_tokens or cut"):
        fit(tmp_path / "large", needed_bytes=2**60)


@pytest.mark.parametrize(("max_steps", "steps"), [(0, 9), (None, 9), (4, 4), (50, 9)])
def test_max_steps_end_a_training_before_its_epochs(
    max_steps: int | None, steps: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert fit(tmp_path, replace(SETTINGS, max_steps=max_steps))["steps"] == steps
    assert ("max_steps is 50, but the epochs end at step 9" in caplog.text) == (max_steps == 50)


def test_a_training_stops_without_a_better_validation(tmp_path: Path) -> None:
    record = fit(tmp_path, replace(SETTINGS, learning_rate=20.0, warmup_share=0.0, validate_steps=1, patience=2))
    assert record["steps"] == record["best_step"] + 2 < 9


def test_a_loss_that_is_no_number_names_what_the_batch_holds(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"step \d: the loss became (nan|inf) over the questions \d+, .*; lower"):
        fit(tmp_path, replace(SETTINGS, learning_rate=1e30, warmup_share=0.0))


def test_each_kind_of_settings_is_one_schedule() -> None:
    assert issubclass(Adaptation, Schedule)
    assert not issubclass(Adaptation, LoraSchedule), "an adaptation trains all weights"
    with pytest.raises(ConfigError, match="unknown setting 'lora_rank'"):
        load_config(Adaptation, None, {"lora_rank": 4})


def test_a_setting_is_known_by_its_former_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("evaluate_steps = 7\n", encoding="utf-8")
    assert load_config(Adaptation, path).validate_steps == 7
    assert "the setting evaluate_steps is now called validate_steps" in caplog.text
    path.write_text("evaluate_steps = 7\nvalidate_steps = 9\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="both evaluate_steps and validate_steps"):
        load_config(Adaptation, path)


def source(**changes: Any) -> Source:
    question = Question("q", "who", ("Kim",))
    example = Example(question, (Passage("p", "it is Kim"),), answer_starts=(6,))
    return Source("data", [replace(example, **changes)])


def test_other_settings_data_or_order_are_another_run(tiny_checkpoint: Path) -> None:
    base = str(tiny_checkpoint)
    settings = Schedule(base)
    one, two = source(), Source("more", source().examples)
    origins = [
        describe_origin(base, [one]),
        describe_origin(base, [replace(one, weight=2.0)]),
        describe_origin(base, [one, one]),
        describe_origin(base, [one, two]),
        describe_origin(base, [two, one]),
        describe_origin(base, [one], one.examples),
        *(describe_origin(base, [source(**change)]) for change in CHANGES),
    ]
    identities = [run_identity(settings, origin) for origin in origins]
    identities += [run_identity(replace(settings, seed=2), origins[0])]
    assert len(set(identities)) == len(identities)
    assert run_identity(replace(settings, checkpoint_steps=9), origins[0]) == identities[0]


CHANGES: list[dict[str, Any]] = [
    {"question": Question("q2", "who", ("Kim",))},
    {"question": Question("q", "whom", ("Kim",))},
    {"question": Question("q", "who", ("Lee",))},
    {"answer_starts": (5,)},
    {"positives": (Passage("p2", "it is Kim"),)},
    {"negatives": (Passage("n", "it is not"),)},
]


def test_a_data_set_that_comes_twice_is_described_twice() -> None:
    described = describe_sources([source(), replace(source(), weight=0.5)])
    assert {name: values["weight"] for name, values in described.items()} == {"data": 1.0, "data again": 0.5}
