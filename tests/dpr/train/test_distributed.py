from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dpr.train.distributed import Processes, join_processes
from tests.conftest import ROOT

PROGRAM = Path(__file__).with_name("distributed_program.py")


def run(count: int, arguments: list[str], tmp_path: Path) -> dict[str, torch.Tensor]:
    """Run the program in ``count`` processes that find each other through a file, and return what the first wrote."""
    output = tmp_path / f"{count}-{arguments[-1]}.safetensors"
    port = str(29500 + os.getpid() % 2000)
    running = []
    for rank in range(count):
        group = {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MASTER_PORT": port, "CUDA_VISIBLE_DEVICES": "", **group}
        command = [sys.executable, "-W", "ignore", str(PROGRAM), *arguments, str(output)]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in running:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    return load_file(output)


@pytest.fixture(scope="module")
def alone(tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process finds, in a folder of its own."""
    folder = tmp_path_factory.mktemp("alone")
    run(1, [str(tiny_checkpoint), f"squad:{demo_files[0]}", "plain"], folder)
    return folder / "1-plain.safetensors"


@pytest.mark.parametrize("path", ["plain", "cached"])
def test_two_processes_equal_one_with_the_global_batch(
    path: str, alone: Path, tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    expected = load_file(alone)
    found = run(2, [str(tiny_checkpoint), f"squad:{demo_files[0]}", path], tmp_path)
    assert set(found) == set(expected)
    assert float(found["demo.negatives"]) > 8
    assert float(found["single.negatives"]) == 1
    assert 8 < float(found["exclusive.negatives"]) < float(found["demo.negatives"])
    assert float(found["exclusive.loss"]) < float(found["demo.loss"])
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


def test_two_processes_adapt_a_base_as_one_does(
    tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    arguments = [str(tiny_checkpoint), f"squad:{demo_files[0]}@:2", "adapted"]
    alone, together = (run(count, arguments, tmp_path) for count in (1, 2))
    assert alone.keys() == together.keys()
    for name, tensor in alone.items():
        if name.endswith("key.bias"):  # its gradient is rounding alone, which AdamW scales up
            continue
        torch.testing.assert_close(together[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
    records, logs = (
        [(tmp_path / f"{count}-adapted" / name).read_text(encoding="utf-8") for count in (1, 2)]
        for name in ("training.json", "log.jsonl")
    )
    assert [json.loads(record)["processes"] for record in records] == [1, 2]
    losses = [[json.loads(line).get("loss") for line in log.splitlines()] for log in logs]
    assert losses[0] == pytest.approx(losses[1], abs=2e-5)
    assert len(losses[0]) == 5


def test_one_process_alone_changes_nothing() -> None:
    alone, weight = Processes(), torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.full((2,), 3.0)
    alone.sum_gradients([weight])
    alone.wait()
    assert alone.is_main
    assert weight.grad.tolist() == [3.0, 3.0]
    assert alone.gather(weight) is weight
    assert alone.sizes(5) == [5]
    assert float(alone.sum(torch.tensor(2.0))) == 2.0


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert join_processes() == Processes(rank=0, count=1, local_rank=0)
