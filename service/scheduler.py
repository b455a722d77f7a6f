"""One thread that computes the steps of all requests, a piece at a time, and gives each request its turn.

A piece is a batch of items of one operation, within a budget of tokens that this machine computes in a tenth of a
second. It takes items of the requests that wait for that operation: so requests that come together are computed
together. Where the budget does not hold all of them, the one with the fewest items left comes first, and of equal ones
the oldest: it is answered soonest, and the others no later than if all were answered at the end. The oldest request has
an item in every piece, so that no number of small ones stops a large one. Operations take turns. Nothing waits for a
batch to fill: a piece is made when the thread is free.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

from service.pieces import Finish, Job, Piece, in_order, outputs_of
from service.telemetry.times import RequestTimes
from service.work import Operation, PieceFacts, Step, Steps

PIECE_TOKENS = 2048
"""Most tokens of a piece: as a model is given at once (`dpr.models.encoder_compute`), where larger is no faster."""

FIRST_TOKENS = 256
"""Tokens of a piece whose pace is not known yet, and the least budget on a slow machine."""

PIECE_S = 0.1
"""About how long a piece takes, and so how long a small request waits beside a large one."""

logger = logging.getLogger(__name__)


class Scheduler:
    """Computes jobs in a daemon thread of its own, from ``start`` to ``stop``.

    Args:
        piece_tokens: most tokens of a piece; an item with more is a piece of its own.
        merges: whether a piece may have items of several requests.
        waiting_threads: steps that wait for another machine at a time.
        observe: told of each piece, in the thread that computes.
    """

    def __init__(
        self,
        piece_tokens: int = PIECE_TOKENS,
        merges: bool = True,
        waiting_threads: int = 1,
        observe: Callable[[PieceFacts], None] = lambda _facts: None,
    ) -> None:
        self.observe = observe
        self._piece_tokens = piece_tokens
        self._tokens_per_s: dict[tuple[str, str], float] = {}
        self._merges = merges
        self._changed = threading.Condition()
        self._arrived: deque[tuple[Job, Sequence[Any] | None]] = deque()
        self._turns: deque[Job] = deque()
        self._numbers = count()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="compute", daemon=True)
        self._waiting = ThreadPoolExecutor(waiting_threads, thread_name_prefix="waiting")

    def start(self) -> None:
        """Begin to compute; call it once."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._arrived) + len(self._turns)

    def submit(self, steps: Steps[Any], finish: Finish, times: RequestTimes | None = None) -> Job:
        """Queue the work of a request; ``finish`` is called when it is done, has failed, or was dropped."""
        job = Job(steps, finish, self._drop, times or RequestTimes())
        job.times.queued()
        with self._changed:
            job.number = next(self._numbers)
            self._arrived.append((job, None))
            self._changed.notify()
        return job

    def stop(self) -> None:
        """Drop all jobs, and compute nothing after the piece that is being computed."""
        with self._changed:
            self._is_stopped = True
            jobs = [*(job for job, _ in self._arrived), *self._turns]
            self._changed.notify()
        for job in jobs:
            self._drop(job)
        self._waiting.shutdown(wait=False, cancel_futures=True)

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended, after ``stop``; return whether it has."""
        if self._thread.ident is None:
            return True
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._arrived or self._turns or self._is_stopped):
                    self._changed.wait()
                if self._is_stopped:
                    return
            self._take_turn()

    def _take_turn(self) -> None:
        """Compute a piece; while the thread waits, it keeps none of the last one, nor the generation that it was of."""
        self._admit()
        with self._changed:
            piece = self._take_piece()
        if piece is not None:
            self._compute(piece)

    def _admit(self) -> None:
        """Bring the requests that have come up to their first step, and those that waited up to their next one."""
        with self._changed:
            arrived, self._arrived = self._arrived, deque()
            for job, _ in arrived:
                job.is_running = True
        for job, outputs in arrived:
            self._advance(job, outputs)

    def _take_piece(self) -> Piece | None:
        """Take items of the first one's operation within the budget; what is left of it goes behind the others."""
        if not self._turns:
            return None
        operation = self._turns[0].step.operation
        alike = [job for job in self._turns if self._is_alike(job, operation)]
        piece = Piece(operation, {})
        for job in in_order(alike):
            item = job.step.items[job.items_taken]
            tokens = operation.tokens(item)
            if piece.items_of and piece.tokens + tokens > self._budget(operation):
                break
            piece.tokens += tokens
            piece.items_of.setdefault(job, []).append(item)
            job.items_taken += 1
        for job in alike:
            self._turns.remove(job)
            if job in piece.items_of:
                job.is_running = True
            else:
                self._turns.append(job)
        return piece

    def _is_alike(self, job: Job, operation: Operation[Any, Any]) -> bool:
        its = job.step.operation
        return its is operation or (self._merges and operation.key is not None and its.key == operation.key)

    def _compute(self, piece: Piece) -> None:
        started = time.perf_counter()
        try:
            all_items = [item for items in piece.items_of.values() for item in items]
            outputs = iter(outputs_of(piece.operation, all_items))
            piece.note(started)
            self._learn(piece, time.perf_counter() - started)
            self._admit()  # those who came meanwhile have their turn before those who have had one
        except Exception as error:
            piece.note(started)
            self._compute_apart(piece, error)
        else:
            for job, items in piece.items_of.items():
                self._deliver(job, [next(outputs) for _ in items])
        seconds = time.perf_counter() - started
        self._tell(PieceFacts(piece.operation.name, len(piece.items_of), len(all_items), piece.tokens, seconds))

    def _budget(self, operation: Operation[Any, Any]) -> int:
        """Return how many tokens a piece may have, by how long the last ones of its pace took."""
        tokens = self._tokens_per_s.get((operation.name, operation.pace), 0.0) * PIECE_S
        return min(self._piece_tokens, max(FIRST_TOKENS, int(tokens)))

    def _learn(self, piece: Piece, seconds: float) -> None:
        """Note how fast a piece was: half of the estimate is the last one's."""
        pace, speed = (piece.operation.name, piece.operation.pace), piece.tokens / max(seconds, 1e-6)
        self._tokens_per_s[pace] = (self._tokens_per_s.get(pace, speed) + speed) / 2

    def _tell(self, facts: PieceFacts) -> None:
        try:
            self.observe(facts)
        except Exception:
            logger.exception("a piece could not be observed")

    def _compute_apart(self, piece: Piece, error: Exception) -> None:
        """Compute a piece that failed anew for each of its requests: one request's failure is not the others'."""
        for job, items in piece.items_of.items():
            if len(piece.items_of) == 1:
                self._end(job, None, error)
                continue
            try:
                outputs = outputs_of(piece.operation, items)
            except Exception as own_error:
                self._end(job, None, own_error)
            else:
                self._deliver(job, outputs)

    def _deliver(self, job: Job, outputs: Sequence[Any]) -> None:
        """Give a job outputs of its step; go on with it if these were the last."""
        job.outputs += outputs
        if len(job.outputs) < len(job.step.items):
            self._queue(job)
        else:
            self._advance(job, job.outputs)

    def _advance(self, job: Job, outputs: Sequence[Any] | None) -> None:
        """Run a job's own code up to its next step with an item, or to its end."""
        try:
            while not job.is_dropped:
                step = job.steps.send(outputs) if outputs is not None else next(job.steps)
                if step.items:
                    job.step, job.outputs, job.items_taken = step, [], 0
                    self._queue(job)
                    return
                outputs = []
        except StopIteration as end:
            self._end(job, end.value, None)
        except Exception as error:
            self._end(job, None, error)
        else:
            self._end(job, None, None)

    def _queue(self, job: Job) -> None:
        """Put a job at the end of the turns, or let it wait in a thread of its own."""
        job.times.queued()
        with self._changed:
            if not (job.is_dropped or self._is_stopped):
                if job.step.operation.waits:
                    self._waiting.submit(self._wait, job, job.step)
                    return
                job.is_running = False
                self._turns.append(job)
                self._changed.notify()
                return
        self._end(job, None, None)

    def _wait(self, job: Job, step: Step) -> None:
        started = time.perf_counter()
        try:
            outputs = job.context.run(outputs_of, step.operation, step.items)
        except Exception as error:
            self._end(job, None, error)
            return
        finally:
            ended = time.perf_counter()
            job.times.piece(step.operation.name, started, ended)
            self._tell(PieceFacts(step.operation.name, 1, len(step.items), 0, ended - started))
        with self._changed:
            if not self._is_stopped:
                self._arrived.append((job, outputs))
                self._changed.notify()
                return
        self._end(job, None, None)

    def _drop(self, job: Job) -> None:
        with self._changed:
            job.is_dropped = True
            if job.is_running or job.is_finished:
                return
            if job in self._turns:
                self._turns.remove(job)
            else:
                self._arrived.remove((job, None))
        self._end(job, None, None)

    def _end(self, job: Job, result: Any, error: BaseException | None) -> None:
        job.is_finished = True
        job.steps.close()
        job.finish(result, error)
