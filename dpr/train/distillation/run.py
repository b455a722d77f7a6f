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
from dpr.train.distillation.data import Material
from dpr.train.distillation.score_objective import ScoreObjective
from dpr.train.distillation.settings import Distillation
from dpr.train.distillation.step import DistillStepper, Objective
from dpr.train.distillation.vector_objective import VectorObjective
from dpr.train.distributed import Processes
from dpr.train.encoder.model import Towers, make_towers
from dpr.train.encoder.settings import Training
from dpr.train.encoder.step import Temperature
from dpr.train.loop import Loop
from dpr.train.memory import plan_run
from dpr.train.record import base_hash, run_facts
from dpr.train.run_folder import RunFolder
from dpr.train.trainable import count_trainable
from dpr.train.validation import HeldOut
from dpr.train.vocabulary_fit import warn_of_splits
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
    overwrite: bool = False,
) -> dict[str, object]:
    """Teach a student, save it to ``output``, and return how it went.

    What the teacher says is computed first and kept in ``output``. A run that was killed, then or later, goes on when
    it is called again with the same arguments, to the same weights. Without ``held_out`` the last weights are kept,
    else those that did best on these questions. A run that ``output`` holds finished is not repeated, unless
    ``overwrite`` is set.

    Raises:
        DataError: a source is empty, or a question has no passage.
        ModelError: teacher or base cannot be loaded, the base is frozen, or the loss is not finite.
        ConfigError: a setting does not fit the base, the teacher or the material, a step does not fit in memory, or
            ``output`` is a model that is read, or holds another model or run and ``overwrite`` is not set.
    """
    _refuse_several_processes()
    material.check(settings.objective)
    validation = HeldOut.of(held_out) if held_out else None
    teacher = _load_teacher(settings)
    origin = _origin(material, settings, teacher)
    folder = RunFolder(output, _run_identity(origin, validation), overwrite, Processes())
    finished = folder.finished([settings.base, settings.teacher or settings.cross_encoder])
    if finished is not None:
        return finished
    began = time.monotonic()
    training = _student_settings(settings, teacher)
    torch.manual_seed(training.seed)
    towers = make_towers(training)
    warn_of_splits(towers.tokenizers[1], material.sample(), settings.base)
    for tower in towers.both:
        tower.to(choose_device())
    temperature = Temperature(training, towers.question.config.normalize).to(choose_device())
    module = nn.ModuleDict({"towers": towers.module(), "temperature": temperature})
    counts = count_trainable(module, [tower.model for tower in towers.both], settings.base)
    folder.begin()
    objective = _OBJECTIVES[settings.objective](material, teacher, towers, settings, output, progress)
    del teacher  # its memory is the student's now
    facts = _learn(objective, towers, module, training, folder, validation, progress, command)
    record = {**facts, **counts, **origin, "seconds": round(time.monotonic() - began, 1), "run": folder.run}
    towers.save(output)
    folder.finish(record)
    return record


def _learn(
    objective: Objective[Any],
    towers: Towers,
    module: nn.Module,
    training: Training,
    folder: RunFolder,
    held_out: HeldOut | None,
    progress: Progress,
    command: str,
) -> dict[str, object]:
    """Train the student, load its best weights, and return the facts for the record."""
    device = choose_device()
    precision = choose_precision(training.precision, device)
    stepper = DistillStepper(towers, objective, training, precision)
    measure = partial(held_out.measure, towers.both, towers.tokenizers, precision) if held_out else None
    loop = Loop(module, stepper, objective.batches, measure, training, precision, Processes())
    first_batches = objective.batches(0)[: loop.steps * training.accumulation_steps]  # a teacher scored no others
    plan = plan_run(stepper.memory(first_batches), device, training.gradient_cache, folder, Processes())
    stepper.gradient_cache = plan.gradient_cache
    standing, last = loop.run(folder.path, folder.run, progress)
    validation = {} if measure is None else {"validation": measure()}
    return {**run_facts(command, precision, standing, last), **plan.described(), **validation}


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
