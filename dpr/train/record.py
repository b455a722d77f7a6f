"""The record of a training (``training.json``), and the identity of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import torch

from dpr import __version__
from dpr.data.source_hash import source_hash
from dpr.models.checkpoint import content_hash
from dpr.models.pair import encoder_directories
from dpr.train.batches import Source
from dpr.train.loop import TrainingState
from dpr.train.schedule import Schedule
from dpr.types import Example


def run_identity(settings: Schedule, origin: Mapping[str, object]) -> str:
    """Return a hash of settings and data; ``checkpoint_steps`` does not count."""
    identity = [asdict(replace(settings, checkpoint_steps=1)), origin]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


def run_facts(command: str, precision: torch.dtype, state: TrainingState) -> dict[str, object]:
    """Return the entries of every record: command, version, device, precision, steps and loss."""
    return {
        "command": command,
        "version": __version__,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "precision": str(precision).removeprefix("torch."),
        "steps": state.step,
        "best_step": state.best_step or state.step,
        "last_loss": state.last.loss,
        **({"negatives": state.last.negatives} if state.last.negatives else {}),
    }


def describe_origin(base: str, sources: Sequence[Source], held_out: Sequence[Example] = ()) -> dict[str, object]:
    """Return hashes of the base, the training sets and the held-out questions, for the record."""
    validation = {"held_out": describe_examples(held_out)} if held_out else {}
    return {"base_sha256": base_hash(base), "sources": describe_sources(sources), **validation}


def describe_sources(sources: Sequence[Source]) -> dict[str, dict[str, object]]:
    """Return the record's entry for each training set, by name."""
    records: dict[str, dict[str, object]] = {}
    for source in sources:
        name = source.name
        while name in records:  # the same data set twice, perhaps with another weight
            name += " again"
        records[name] = {"weight": source.weight, **describe_examples(source.examples)}
    return records


def describe_examples(examples: Sequence[Example]) -> dict[str, object]:
    """Return the number of questions and their hash, for the record."""
    return {"questions": len(examples), "sha256": source_hash(examples)}


def base_hash(base: str) -> list[str]:
    """Return the content hash of a base, or of each encoder of a pair."""
    return [content_hash(directory) for directory in encoder_directories(base)]
