"""Run any training: its folder, its steps, its record and its export."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import nn

from dpr.models.backends import choose_device, choose_precision
from dpr.train.distributed import Processes, join_processes, leave_processes
from dpr.train.loop import Loop
from dpr.train.memory import plan_run, resident_memory
from dpr.train.primitives import keep_few_primitives
from dpr.train.record import run_facts, run_identity
from dpr.train.run_folder import RunFolder
from dpr.train.schedule import Schedule
from dpr.train.step import Objective, Step
from dpr.types import Progress, no_progress

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of every training: progress reports, the command for the record, whether a model may be replaced."""

    progress: Progress = no_progress
    command: str = ""
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """The folder, the processes and the device of a training; only the main process reports progress."""

    folder: RunFolder
    processes: Processes
    device: torch.device
    precision: torch.dtype
    progress: Progress


@dataclass(frozen=True, slots=True)
class Trainee(Generic[B]):
    """A model to train, and its objective.

    Args:
        module: the model; a training state holds its trainable weights.
        objective: what is learned; None if there is nothing to train.
        save: writes the model to a folder.
        facts: returns entries for the record, after the last step.
        measure: returns the metrics of a validation; None without held-out data.
        gradient_cache: whether to use the gradient cache; None decides by the free memory.
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
    options: RunOptions,
) -> dict[str, object]:
    """Train a model, save it with its record to ``output``, and return the record.

    A killed run resumes from its last state, to the same weights (with several processes only without dropout: only
    the random numbers of the first one are saved). A finished run in ``output`` is not repeated, unless it may be
    overwritten. Under ``torchrun`` the processes share each batch, and the first one writes.

    Args:
        output: the folder of the model.
        settings: the settings; a run with other settings is another run.
        origin: hashes of base and data for the record; a run with another origin is another run.
        reads: the names of the models that the run reads.
        prepare: loads model and data; random numbers are seeded before.
        options: see `RunOptions`.

    Raises:
        ConfigError: a step does not fit in memory, or ``output`` is a model that the run reads, or holds another model
            or run and may not be overwritten.
    """
    processes = join_processes()
    try:
        folder = RunFolder(output, run_identity(settings, origin), options.overwrite, processes)
        finished = folder.finished(reads)
        if finished is not None:
            return finished
        began = time.monotonic()
        device = choose_device()
        precision = choose_precision(settings.precision, device)
        keep_few_primitives()
        run = Run(folder, processes, device, precision, options.progress if processes.is_main else no_progress)
        torch.manual_seed(settings.seed)
        trainee = prepare(run)
        learned = _learn(trainee, run, settings, options.command)
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
    """Train, load the best weights, and return entries for the record."""
    if trainee.objective is None:
        run.folder.begin()
        return {"command": command, "steps": 0, **trainee.facts()}
    step = Step(trainee.objective, run.device, run.precision, run.processes)
    loop = Loop(trainee.module, step, trainee.measure, settings, run.precision, run.processes)
    run.folder.begin()
    resident = resident_memory()  # before the passes that measure a step, whose blocks the steps use again
    memory = replace(step.memory(), resident=resident)
    plan = plan_run(memory, run.device, trainee.gradient_cache, settings.memory_remedy, run.folder, run.processes)
    step.gradient_cache = bool(plan.gradient_cache)
    state = loop.run(run.folder.path, run.folder.run, run.progress)
    record = {**run_facts(command, run.precision, state), **plan.as_record(), **trainee.facts()}
    return record if trainee.measure is None else {**record, "validation": state.metrics or trainee.measure()}
