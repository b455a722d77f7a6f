"""What a training leaves beside the weights: how they were made."""

from __future__ import annotations

import torch

from dpr import __version__
from dpr.train.loop import Standing
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
