"""From a teacher to a student: sets a run up, takes it to its end with `dpr.train.loop`, writes the student."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dpr.errors import ConfigError
from dpr.models.backends import choose_device, choose_precision
from dpr.models.cross_encoder import CrossEncoder, load_cross_encoder
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.train.distill_step import DistillStepper, Objective
from dpr.train.distillation import Distillation
from dpr.train.distributed import Processes
from dpr.train.loop import Loop
from dpr.train.material import Material
from dpr.train.record import run_facts, write_record
from dpr.train.score_objective import ScoreObjective
from dpr.train.settings import Training
from dpr.train.step import Temperature
from dpr.train.towers import make_towers
from dpr.train.train import base_hash
from dpr.train.trainable import count_trainable
from dpr.train.validation import HeldOut
from dpr.train.vector_objective import VectorObjective
from dpr.types import Example, Progress, no_progress

_OBJECTIVES: Mapping[str, Callable[..., Objective[Any]]] = {
    "vectors": VectorObjective,
    "parallel": VectorObjective,
    "scores": ScoreObjective,
}


def distill(
    material: Material,
    output: Path,
    settings: Distillation,
    held_out: Sequence[Example] = (),
    progress: Progress = no_progress,
    command: str = "",
) -> dict[str, object]:
    """Teach a student, save it to ``output``, and return how it went.

    What the teacher says is computed first and kept in ``output``. A run that was killed, then or later, goes on when
    it is called again with the same arguments, to the same weights. Without ``held_out`` the last weights are kept,
    else those that did best on these questions.

    Raises:
        DataError: a source is empty, or a question has no passage.
        ModelError: teacher or base cannot be loaded, the loss is not finite, or ``output`` holds another run's state.
        ConfigError: a setting does not fit the base, the teacher or the material.
    """
    began = time.monotonic()
    _refuse_several_processes()
    material.check(settings.objective)
    validation = HeldOut.of(held_out) if held_out else None
    device = choose_device()
    precision = choose_precision(settings.precision, device)
    teacher = _load_teacher(settings)
    training = _student_settings(settings, teacher)
    torch.manual_seed(training.seed)
    towers = make_towers(training)
    for tower in towers.both:
        tower.to(device)
    output.mkdir(parents=True, exist_ok=True)
    objective = _OBJECTIVES[settings.objective](material, teacher, towers, settings, output, progress)
    origin = _origin(material, settings, teacher)
    del teacher  # its memory is the student's now
    run = _run_identity(origin, validation)
    stepper = DistillStepper(towers, objective, training, precision)
    temperature = Temperature(training, towers.question.config.normalize).to(device)
    module = nn.ModuleDict({"towers": towers.module(), "temperature": temperature})
    counts = count_trainable(module, [tower.model for tower in towers.both], settings.base)
    measure = partial(validation.measure, towers.both, towers.tokenizers, precision) if validation else None
    loop = Loop(module, stepper, objective.batches, measure, training, precision, Processes())
    standing, last = loop.run(output, run, progress)
    record: dict[str, object] = {
        **run_facts(command, precision, standing, last),
        **counts,
        **origin,
        "seconds": round(time.monotonic() - began, 1),
        "run": run,
    }
    if measure is not None:
        record["validation"] = measure()
    towers.save(output)
    write_record(output, record)
    return record


def _refuse_several_processes() -> None:
    count = os.environ.get("WORLD_SIZE", "1")
    if count != "1":
        raise ConfigError(
            f"torchrun started {count} processes, but distillation runs in one; start it without torchrun"
        )


def _load_teacher(settings: Distillation) -> DualEncoder | CrossEncoder:
    if settings.cross_encoder:
        return load_cross_encoder(settings.cross_encoder, settings.precision)
    return load_encoder(settings.teacher, settings.precision)


def _student_settings(settings: Distillation, teacher: DualEncoder | CrossEncoder) -> Training:
    """Return the settings of towers and loop: who learns vectors normalizes as the teacher does."""
    if settings.objective == "scores" or isinstance(teacher, CrossEncoder):
        return settings.training()
    return settings.training(normalize=teacher.config.normalize)


def _origin(material: Material, settings: Distillation, teacher: DualEncoder | CrossEncoder) -> dict[str, Any]:
    """Return what a student is made of: settings, teacher, base, sources."""
    return {
        "distillation": asdict(settings),
        "teacher": {"name": teacher.name, "fingerprint": teacher.fingerprint},
        "base_sha256": base_hash(settings.base),
        "sources": material.described(),
    }


def _run_identity(origin: Mapping[str, Any], held_out: HeldOut | None) -> str:
    """Return what tells runs of other origins apart; how often a state is saved is no difference."""
    settings = {name: value for name, value in origin["distillation"].items() if name != "checkpoint_steps"}
    digest = hashlib.sha256(json.dumps({**origin, "distillation": settings}, sort_keys=True).encode())
    if held_out is not None:
        digest.update("\n".join(held_out.questions).encode())
    return digest.hexdigest()[:16]
