"""What a training leaves beside the weights: how they were made, and what tells one run from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

import torch

from dpr import __version__
from dpr.models.checkpoint import content_hash
from dpr.models.pair import encoder_directories
from dpr.train.batches import Source
from dpr.train.loop import Standing
from dpr.train.schedule import Schedule
from dpr.types import Example


def run_identity(settings: Schedule, origin: Mapping[str, object]) -> str:
    """Return what tells runs with other settings or data apart; how often a state is saved is no difference."""
    parts = [asdict(replace(settings, checkpoint_steps=1)), origin]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def run_facts(command: str, precision: torch.dtype, standing: Standing) -> dict[str, object]:
    """Return what a record says of any run: by which command and version, on what, and how far it went."""
    return {
        "command": command,
        "version": __version__,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "precision": str(precision).removeprefix("torch."),
        "steps": standing.step,
        "best_step": standing.best_step or standing.step,
        "last_loss": standing.last.loss,
        **({"negatives": standing.last.negatives} if standing.last.negatives else {}),
    }


def describe_origin(base: str, sources: Sequence[Source], held_out: Sequence[Example] = ()) -> dict[str, object]:
    """Return what a record says that a model was made of: the base, the training sets and the held-out questions."""
    validation = {"held_out": describe_examples(held_out)} if held_out else {}
    return {"base_sha256": base_hash(base), "sources": describe_sources(sources), **validation}


def describe_sources(sources: Sequence[Source]) -> dict[str, dict[str, object]]:
    """Return what a record says of each training set, by its name."""
    described: dict[str, dict[str, object]] = {}
    for source in sources:
        name = source.name
        while name in described:  # the same data set twice, perhaps with another weight
            name += " again"
        described[name] = {"weight": source.weight, **describe_examples(source.examples)}
    return described


def describe_examples(examples: Sequence[Example]) -> dict[str, object]:
    """Return what a record says of questions: how many there are, and a hash of them."""
    return {"questions": len(examples), "sha256": source_hash(examples)}


def source_hash(examples: Iterable[Example]) -> str:
    """Return the hash of questions, their answers and where these start, and of the ids of their passages.

    Ids that are excluded for a question count where there are some.
    """
    digest = hashlib.sha256()
    for example in examples:
        passages = " ".join(passage.id for passage in (*example.positives, *example.negatives))
        question = (example.question.id, example.question.text, *example.question.answers, *example.answer_starts)
        excluded = "".join(f"\t-{identity}" for identity in example.excluded_ids)
        digest.update(("\t".join(map(str, question)) + f"\t{passages}{excluded}\n").encode())
    return digest.hexdigest()


def base_hash(base: str) -> list[str]:
    """Return the content hash of a base, or of each encoder of a pair."""
    return [content_hash(directory) for directory in encoder_directories(base)]
