"""The course of every training: its folder, its steps, its record and its export."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import nn

from dpr.models.backends import choose_device, choose_precision
from dpr.train.distributed import Processes, join_processes, leave_processes
from dpr.train.loop import Loop
from dpr.train.memory import plan_run
from dpr.train.record import run_facts, run_identity
from dpr.train.run_folder import RunFolder
from dpr.train.schedule import Schedule
from dpr.train.step import Objective, Step
from dpr.types import Progress, no_progress

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a training was called: what it tells, the command for the record, and whether it may replace a model."""

    progress: Progress = no_progress
    command: str = ""
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training takes place; only the main process has a progress to tell."""

    folder: RunFolder
    processes: Processes
    device: torch.device
    precision: torch.dtype
    progress: Progress


@dataclass(frozen=True, slots=True)
class Trainee(Generic[B]):
    """What one kind of training brings.

    Args:
        module: all that is trained; its trainable weights are what a state holds.
        objective: what is learned; None where nothing is to be trained.
        save: writes the model to a folder.
        facts: returns what the record says of this kind of training, after the last step.
        measure: returns the metrics of a validation; None where nothing is held out.
        gradient_cache: whether the gradient cache is used; None lets the memory decide.
    """

    module: nn.Module
    objective: Objective[B] | None
    save: Callable[[Path], None]
    facts: Callable[[], Mapping[str, object]]
    measure: Callable[[], dict[str, float]] | None = None
    gradient_cache: bool | None = None


def run_training(
    output: Path,
    settings: Schedule,
    origin: Mapping[str, object],
    reads: Iterable[str],
    prepare: Callable[[Run], Trainee[B]],
    call: Invocation,
) -> dict[str, object]:
    """Take a training to its end, save its model and its record to ``output``, and return the record.

    A run that was killed goes on from its last state. A run that ``output`` holds finished is not repeated, unless
    ``call`` says so. Under ``torchrun`` the processes share each batch, and the first one writes.

    Args:
        output: the folder of the model.
        settings: the schedule, and what else tells runs apart.
        origin: what the model is made of, for the record; it tells runs apart, too.
        reads: the names of the models that the run reads.
        prepare: loads model and data. Random numbers are seeded before.
        call: how the training was called.

    Raises:
        ConfigError: a step does not fit in memory, or ``output`` is a model that is read, or holds another model or run
            and may not be replaced.
    """
    processes = join_processes()
    try:
        folder = RunFolder(output, run_identity(settings, origin), call.overwrite, processes)
        finished = folder.finished(reads)
        if finished is not None:
            return finished
        began = time.monotonic()
        device = choose_device()
        precision = choose_precision(settings.precision, device)
        run = Run(folder, processes, device, precision, call.progress if processes.is_main else no_progress)
        torch.manual_seed(settings.seed)
        trainee = prepare(run)
        learned = _learn(trainee, run, settings, call.command)
        record = {settings.record_key: asdict(settings), **origin, **learned}
        record |= {"processes": processes.count, "seconds": round(time.monotonic() - began, 1), "run": folder.run}
        if processes.is_main:
            trainee.save(folder.path)
            folder.finish(record)
        processes.wait()
        return record
    finally:
        leave_processes()


def _learn(trainee: Trainee[B], run: Run, settings: Schedule, command: str) -> dict[str, object]:
    """Train, load the best weights, and return the facts for the record."""
    if trainee.objective is None:
        run.folder.begin()
        return {"command": command, "steps": 0, **trainee.facts()}
    step = Step(trainee.objective, run.device, run.precision, run.processes)
    loop = Loop(trainee.module, step, trainee.measure, settings, run.precision, run.processes)
    run.folder.begin()
    plan = plan_run(
        step.memory(), run.device, trainee.gradient_cache, settings.memory_remedy, run.folder, run.processes
    )
    step.gradient_cache = bool(plan.gradient_cache)
    standing = loop.run(run.folder.path, run.folder.run, run.progress)
    record = {**run_facts(command, run.precision, standing), **plan.described(), **trainee.facts()}
    return record if trainee.measure is None else {**record, "validation": trainee.measure()}
