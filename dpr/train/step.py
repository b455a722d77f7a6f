"""One step of any training: the gradient of the mean loss of a batch, computed in chunks.

An objective defines what is computed (`dpr.train.encoder.step`, `dpr.train.reader.step`, …); a step decides how: the
precision, the memory, and the exchange with other processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import torch

from dpr.errors import ModelError
from dpr.train.distributed import Processes
from dpr.train.gradcache import Encode, cached_backward, chunked_backward, plain_backward
from dpr.train.memory import StepMemory

B = TypeVar("B")

CHUNK_TOKENS = {"cpu": 4096, "cuda": 131072}
"""Padded tokens in a chunk; on a CPU, the activations of a chunk fit in its caches."""


class BadLossError(ModelError):
    """The loss is NaN or infinite."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The mean loss of a global batch, the mean number of negatives of a question, and the number of questions."""

    loss: float
    negatives: float
    questions: int


@dataclass(frozen=True, slots=True)
class Task:
    """The work of this process for a global batch.

    Each list of ``chunks`` holds the forward passes over one list of texts. Without ``losses_of`` they return losses,
    and the gradient of each chunk is computed at once. With it they return vectors, (N, D) each, and ``losses_of``
    computes the losses from the vectors of each list.

    ``ids`` name the items of the global batch, which messages call ``kind``. The loss is the mean over them, or over
    ``count`` items. ``negatives`` is the mean number of negatives of an item.
    """

    chunks: Sequence[Sequence[Encode]]
    ids: Sequence[str]
    losses_of: Callable[[Sequence[torch.Tensor]], torch.Tensor] | None = None
    kind: str = "questions"
    count: int | None = None
    negatives: float = 0.0


class Objective(Protocol[B]):
    """The objective of a training: its batches, and the tasks of a step."""

    def batches(self, epoch: int) -> list[B]:
        """Return an epoch's batches, the same for the same seed."""

    def tasks(self, batches: Sequence[B]) -> list[Task]:
        """Return the tasks of a step over some batches; the loss of the step is the mean of their losses."""

    def memory(self) -> StepMemory:
        """Return the memory that a step takes."""


class Step(Generic[B]):
    """Computes the gradients of batches, alone or as one of several processes.

    ``gradient_cache`` selects how tasks with vectors are computed, see `dpr.train.gradcache`.
    """

    def __init__(
        self, objective: Objective[B], device: torch.device, precision: torch.dtype, processes: Processes
    ) -> None:
        self.objective = objective
        self.device = device
        self.gradient_cache = False
        self._precision = precision
        self._processes = processes

    def memory(self) -> StepMemory:
        """Return the memory that a step takes in its precision."""
        with autocast(self.device, self._precision):
            return self.objective.memory()

    def backward(self, batches: Sequence[B], scaler: torch.amp.GradScaler | None = None) -> StepResult:
        """Add the gradient of the mean loss of some batches to the weights of this process.

        Raises:
            BadLossError: the loss is not finite, and there is no scaler (fp16) to skip the step and lower its scale.
                The message names the items of the batch.
        """
        tasks = self.objective.tasks(batches)
        scale = scaler.get_scale() if scaler else 1.0
        losses = []
        for task in tasks:
            count = task.count or len(task.ids)
            factor = scale / len(tasks) / count
            losses.append(float(self._processes.sum(self._backward(task, factor))) / factor / count)
            if not math.isfinite(losses[-1]) and scaler is None:
                raise BadLossError(_bad_loss(losses[-1], task))
        negatives = sum(task.negatives for task in tasks) / len(tasks)
        return StepResult(sum(losses) / len(tasks), negatives, sum(len(task.ids) for task in tasks))

    def _backward(self, task: Task, factor: float) -> torch.Tensor:
        """Compute ``factor`` times the sum of a task's losses; add its gradient to the weights and return it."""
        losses_of = task.losses_of
        if losses_of is None:
            with autocast(self.device, self._precision):  # weights are cast once for all chunks
                total = chunked_backward([chunk for encodes in task.chunks for chunk in encodes], factor)
            return total.to(self.device)

        def loss_of(vectors: Sequence[torch.Tensor]) -> torch.Tensor:
            with torch.autocast(self.device.type, enabled=False):
                return losses_of(vectors).sum() * factor

        if self.gradient_cache:
            chunks = [[partial(self._cast, chunk) for chunk in encodes] for encodes in task.chunks]
            return cached_backward(chunks, loss_of)
        with autocast(self.device, self._precision):
            return plain_backward(task.chunks, loss_of)

    def _cast(self, chunk: Encode) -> torch.Tensor:
        with autocast(self.device, self._precision):
            return chunk()


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """Return the context for matrix products of a precision; it does nothing for fp32."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


def _bad_loss(loss: float, task: Task) -> str:
    ids = list(dict.fromkeys(task.ids))
    shown_ids = ", ".join(ids[:20])
    return (
        f"the loss became {loss} over the {task.kind} {shown_ids}{' …' if len(ids) > 20 else ''}; "
        "lower the learning rate or look at these texts"
    )
