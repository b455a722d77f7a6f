from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpr.train.log import LOG, RunLog, read_log
from dpr.train.step import StepResult


def write(output: Path, done: int, steps: int, is_main: bool = True) -> None:
    with RunLog(output, done, is_main) as log:
        for step in range(done + 1, steps + 1):
            log.step(step, StepResult(loss=1 / step, negatives=7.0, questions=8), 1e-3, 20.0)
        log.validation(steps, {"mrr": 0.5})


def test_a_line_for_each_step_and_validation(tmp_path: Path) -> None:
    write(tmp_path, 0, 3)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text(encoding="utf-8").splitlines()]
    assert [(line["step"], line["kind"]) for line in lines] == [
        (1, "train"), (2, "train"), (3, "train"), (3, "validation"),
    ]  # fmt: skip
    assert lines[0] == {
        "step": 1, "kind": "train", "loss": 1.0, "negatives": 7.0, "learning_rate": 1e-3, "pairs_per_s": 20.0,
    }  # fmt: skip


def test_what_came_after_the_state_is_written_anew(tmp_path: Path) -> None:
    write(tmp_path, 0, 5)
    with (tmp_path / LOG).open("a", encoding="utf-8") as file:
        file.write('{"step": 6, "kind": "tr')  # a kill in the middle of a line
    write(tmp_path, 2, 4)
    assert [(line["step"], line["kind"]) for line in read_log(tmp_path)] == [
        (1, "train"), (2, "train"), (3, "train"), (4, "train"), (4, "validation"),
    ]  # fmt: skip


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    write(tmp_path, 0, 2, is_main=False)
    assert list(tmp_path.iterdir()) == []
    assert read_log(tmp_path) == []


def test_tensorboard_gets_the_same(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, 0, 3)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("train/loss")] == [1, 2, 3]
    assert [event.value for event in board.Scalars("validation/mrr")] == [0.5]
