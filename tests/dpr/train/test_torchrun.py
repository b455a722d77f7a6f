"""``torchrun`` with two processes follows the loss curve of one process with the same global batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

STEPS = 4
DEADLINE_S = 200


def train(launcher: list[str], data: str, base: Path, output: Path) -> list[float]:
    """Train by the command and return the loss of each step."""
    settings = output.parent / "settings.toml"
    settings.write_text(f"batch_size = 12\nmax_steps = {STEPS}\nlearning_rate = 1e-3\npassage_tokens = 64\n")
    options = ["--config", str(settings), "--precision", "fp32", "--output", str(output)]
    command = [sys.executable, "-W", "ignore", *launcher, "-m", "dpr", "train", "--data", data, "--base", str(base)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [*command, *options],
        env=environment,
        cwd=output.parent,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    lines = (output / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [record["loss"] for line in lines if "loss" in (record := json.loads(line))]


@pytest.mark.timeout(2 * DEADLINE_S + 30)
def test_two_processes_follow_the_loss_curve_of_one(
    tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    data = f"squad:{demo_files[0]}@:4"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    alone = train([], data, tiny_checkpoint, tmp_path / "alone")
    together = train(launcher, data, tiny_checkpoint, tmp_path / "together")
    assert len(alone) == STEPS
    assert together == pytest.approx(alone, abs=2e-4)
    assert max(alone) - min(alone) > 0.05  # a curve, not a line
    record = json.loads((tmp_path / "together" / "training.json").read_text(encoding="utf-8"))
    assert record["processes"] == 2
