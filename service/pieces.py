"""The work of one request, pieces of such works, and the order in which requests get into a piece."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from service.telemetry.times import RequestTimes
from service.work import Operation, Step, Steps

_NOTHING = Step(Operation("nothing", lambda _items: [], lambda _item: 0), ())

Finish = Callable[[Any, BaseException | None], None]
"""Called once, in any thread, with a job's result or its error; with neither where the job was dropped."""


class Job:
    """The work of one request. All but ``drop`` is the scheduler's."""

    def __init__(self, steps: Steps[Any], finish: Finish, drop: Callable[[Job], None], times: RequestTimes) -> None:
        self.steps = steps
        self.times = times
        self.context = copy_context()
        self.finish = finish
        self.step = _NOTHING
        self.outputs: list[Any] = []
        self.items_taken = 0
        self.number = 0
        self.is_running = False
        self.is_dropped = False
        self.is_finished = False
        self._drop = drop

    @property
    def items_left(self) -> int:
        """How many items of the step no piece has taken."""
        return len(self.step.items) - self.items_taken

    def drop(self) -> None:
        """Compute no more of it than the piece that is being computed; without effect on a finished job."""
        self._drop(self)


@dataclass(slots=True)
class Piece:
    """Items of one operation that are computed at once, by the jobs whose they are."""

    operation: Operation[Any, Any]
    items_of: dict[Job, list[Any]]
    tokens: int = 0

    def note(self, started: float) -> None:
        """Note in each request's times that it was computed from ``started`` to now."""
        ended = time.perf_counter()
        for job in self.items_of:
            job.times.piece(self.operation.name, started, ended)


def in_order(jobs: Sequence[Job]) -> Iterator[Job]:
    """Yield jobs once for each item that they have left: the oldest first, then by how few these are, then by age."""
    oldest = min(jobs, key=lambda job: job.number)
    yield oldest
    for job in sorted(jobs, key=lambda job: (job.items_left, job.number)):
        for _ in range(job.items_left):
            yield job


def outputs_of(operation: Operation[Any, Any], items: Sequence[Any]) -> Sequence[Any]:
    """Compute items; return one output for each of them.

    Raises:
        RuntimeError: the operation panicked, or returned another number of outputs.
    """
    try:
        outputs = operation.compute(items)
    except Exception:
        raise
    except BaseException as panic:  # of a library in Rust, such as tokenizers: it would end the thread that computes
        raise RuntimeError(f"the operation {operation.name} panicked: {panic}") from panic
    if len(outputs) != len(items):
        raise RuntimeError(f"the operation {operation.name} returned {len(outputs)} outputs for {len(items)} items")
    return outputs
