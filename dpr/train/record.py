"""What a training leaves beside the weights: how they were made."""

from __future__ import annotations

import hashlib

import torch

from dpr import __version__
from dpr.models.checkpoint import content_hash
from dpr.models.pair import encoder_directories
from dpr.train.batches import Source
from dpr.train.loop import Standing
from dpr.train.step_result import StepResult


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


def describe_source(source: Source) -> dict[str, object]:
    """Return what a record says of a training set."""
    return {"questions": len(source.examples), "weight": source.weight, "sha256": source_hash(source)}


def source_hash(source: Source) -> str:
    """Return the hash of a training set's questions and of the ids of their passages."""
    digest = hashlib.sha256()
    for example in source.examples:
        passages = " ".join(passage.id for passage in (*example.positives, *example.negatives))
        digest.update(f"{example.question.id}\t{example.question.text}\t{passages}\n".encode())
    return digest.hexdigest()


def base_hash(base: str) -> list[str]:
    """Return the content hash of a base, or of each encoder of a pair."""
    return [content_hash(directory) for directory in encoder_directories(base)]
