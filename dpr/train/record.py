"""What a training leaves beside the weights: how they were made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from dpr import __version__
from dpr.models.export import RECORD
from dpr.train.loop import BEST, STATE, Standing
from dpr.train.step import StepResult


def run_facts(command: str, precision: torch.dtype, standing: Standing, last: StepResult) -> dict[str, object]:
    """Return what a record says of any run: by which command and version, on what, and how far it went."""
    return {
        "command": command,
        "version": __version__,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "precision": str(precision).removeprefix("torch."),
        "steps": standing.step,
        "best_step": standing.best_step or standing.step,
        "last_loss": last.loss,
    }


def write_record(output: Path, record: Mapping[str, object]) -> None:
    """Write a finished run's record, and remove the state that the run would have gone on from."""
    (output / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in (STATE, BEST):
        (output / name).unlink(missing_ok=True)
