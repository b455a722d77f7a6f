"""The engine room: the open generation and its reader, and the one door to what computes with them.

Loading happens beside the event loop, so that ``/livez`` answers from the first moment and ``/readyz`` says what is
waited for. A request needs a permit: the computing and the waiting ones hold at most ``max_in_flight`` of them, and a
request that finds none is refused at once rather than queued without end. What is let in is computed by the scheduler,
in pieces; the request is answered at the latest at its deadline, and its work is dropped then, or when its client hangs
up.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from dpr.pipeline import QA
from service.cache import ResultCache
from service.context import RequestContext
from service.errors import BusyError, ClientGoneError, DeadlineError, NotReadyError, ShuttingDownError
from service.indexes import Indexes
from service.models import Models
from service.scheduler import Scheduler
from service.settings import DEFAULT_TIMEOUT_S, MIB, Settings
from service.shards.routed import RoutedIndex, RoutedQA, cluster_of
from service.shards.served import NodeIndex
from service.work import Steps, one_piece

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_WAITING = 32
"""Requests that wait for a generator, or for nodes, at a time."""


class Engine:
    """Loads indexes, warms them up, and runs the work of requests with them.

    Args:
        indexes: what answers; or what makes a ``QA`` that answers alone, called once, in a thread.
        max_in_flight: requests computing or waiting.
        scheduler: computes their work.
        reload_interval_s: seconds between two looks for new generations; 0: none is looked for.
        cache_bytes: what the results of questions may take that were asked before.
    """

    def __init__(
        self,
        indexes: Indexes | Callable[[], QA],
        max_in_flight: int = 32,
        scheduler: Scheduler | None = None,
        reload_interval_s: float = 0.0,
        cache_bytes: int = 0,
    ) -> None:
        self.scheduler = scheduler or Scheduler()
        self.cache = ResultCache(cache_bytes)
        self.indexes = indexes if isinstance(indexes, Indexes) else Indexes.alone(indexes)
        self._reload_interval_s = reload_interval_s
        self.max_in_flight = max_in_flight
        self._permits = Permits(max_in_flight)
        self._loading: asyncio.Future[None] | None = None
        self._requests = 0
        self._ends: set[Callable[[Exception], None]] = set()
        self._is_stopping = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Engine:
        """Return the engine that the settings describe, not yet loaded."""
        waits = settings.generator_url or settings.nodes
        waiting = min(settings.max_in_flight, MAX_WAITING) if waits else 1
        scheduler = Scheduler(merges=settings.batching, waiting_threads=waiting)
        models = Models(settings)
        if settings.nodes:
            indexes = Indexes([RoutedIndex(cluster_of(settings), models)])
        elif settings.node:
            indexes = Indexes([NodeIndex(settings.index[0], models)])
        else:
            indexes = Indexes.from_folders(settings.index, models)
        return cls(indexes, settings.max_in_flight, scheduler, settings.reload_interval_s, settings.cache_mib * MIB)

    @property
    def in_flight(self) -> int:
        """How many requests are computed or wait."""
        return self._requests

    def start(self) -> None:
        """Begin to load; call it once, with the event loop running."""
        self.scheduler.start()
        self._loading = in_thread(self._load)

    async def loaded(self) -> QA:
        """Wait until loading has ended; call it after ``start``.

        Raises:
            DPRError: it ended with this error.
        """
        while self._loading is None:
            await asyncio.sleep(0.01)
        await asyncio.shield(self._loading)
        return self.indexes.default.snapshot

    def ready(self, index: str | None = None) -> QA:
        """Return the generation that answers for an index from now on, loaded and warm; a request takes it once.

        Raises:
            NotReadyError: it is still being loaded, or could not be.
            UnknownIndexError: there is no index of that name.
        """
        loading = self._loading
        if loading is None or not loading.done():
            waits_for = self.indexes.default.problem or "the index and its models are still being loaded"
            raise NotReadyError(f"{waits_for}; ask again soon")
        if loading.cancelled():
            raise NotReadyError("the service is shutting down; ask another one")
        if (error := loading.exception()) is not None:
            raise NotReadyError(f"the service could not start: {error}")
        return self.indexes.find(index).snapshot

    async def run(
        self, work: Callable[[QA], Result], context: RequestContext | None = None, qa: QA | None = None
    ) -> Result:
        """Compute ``work`` as one piece and return what it returns; it should take milliseconds, else use `run_steps`.

        A router's waits for its nodes, and does not hold up what is computed.

        Raises:
            DPRError: as `run_steps` does.
        """
        return await self.run_steps(
            lambda qa: one_piece(partial(work, qa), waits=isinstance(qa, RoutedQA)), context, qa
        )

    async def run_steps(
        self, work: Callable[[QA], Steps[Result]], context: RequestContext | None = None, qa: QA | None = None
    ) -> Result:
        """Compute ``work`` step by step, in turn with other requests, and return its result.

        It is called with ``qa``, what the request has taken from `ready`; None: the default index's of this moment.

        Raises:
            NotReadyError: nothing is loaded yet.
            BusyError: ``max_in_flight`` requests are computing or waiting.
            DeadlineError: the deadline of ``context`` has passed.
            ClientGoneError: the client of ``context`` hung up.
            ShuttingDownError: the service ends before the work does.
        """
        qa = qa or self.ready()
        context, steps = context or RequestContext("", DEFAULT_TIMEOUT_S), work(qa)
        self._permits.take()
        context.generation = qa.generation
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()

        def end(error: Exception) -> None:
            if not answer.done():
                answer.set_exception(error)

        def settle(result: Any, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        def finish(result: Any, error: BaseException | None) -> None:
            # The permit belongs to the work and not to its caller: a piece of a caller who is gone is computed to its
            # end.
            self._permits.give_back()
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        job = self.scheduler.submit(steps, finish, context.times)
        sentence = f"the request was not answered within {context.timeout_s:g} s; ask for less, or allow more time"
        timer = loop.call_later(context.remaining_s, end, DeadlineError(sentence))
        context.on_abandoned(partial(end, ClientGoneError("the client hung up; its work is dropped")))
        self._requests += 1
        try:
            with self.told_at_end(end):
                return await answer
        finally:
            self._requests -= 1
            timer.cancel()
            job.drop()

    def refuse_if_full(self) -> None:
        """Refuse a request that would find no permit, before anything is done for it.

        Raises:
            BusyError: ``max_in_flight`` requests are computing or waiting.
        """
        self._permits.refuse_if_none()

    @contextmanager
    def told_at_end(self, end: Callable[[Exception], None]) -> Iterator[None]:
        """Call ``end`` with an error of ours if requests are ended meanwhile.

        Raises:
            ShuttingDownError: they have been ended before.
        """
        if self._is_stopping:
            raise ShuttingDownError(SHUTTING_DOWN)
        self._ends.add(end)
        try:
            yield
        finally:
            self._ends.discard(end)

    def end_requests(self) -> None:
        """Tell every request that is not answered that the service is shutting down, and drop its work."""
        self._is_stopping = True
        for end in list(self._ends):
            end(ShuttingDownError(SHUTTING_DOWN))

    async def stop(self) -> None:
        """Drop all work; the piece that is being computed goes on to its end."""
        self.end_requests()
        self.indexes.stop()
        self.scheduler.stop()
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()

    def _load(self) -> None:
        self.indexes.load()
        if self._reload_interval_s:
            self.indexes.watch(self._reload_interval_s)


class Permits:
    """As many permits as requests may be computed or wait; any thread may give one back."""

    def __init__(self, permits: int) -> None:
        self._permits = permits
        self._free = permits
        self._lock = Lock()

    def refuse_if_none(self) -> None:
        """Raise BusyError if no permit is free."""
        if self._free <= 0:
            raise BusyError(f"{self._permits} requests are already computing or waiting; ask again soon")

    def take(self) -> None:
        """Take a permit.

        Raises:
            BusyError: none is free.
        """
        with self._lock:
            self.refuse_if_none()
            self._free -= 1

    def give_back(self) -> None:
        """Give back a permit that was taken."""
        with self._lock:
            self._free += 1


SHUTTING_DOWN = "the service is shutting down; ask another one, or again soon"


def in_thread(function: Callable[[], Result]) -> asyncio.Future[Result]:
    """Run a function in a daemon thread of its own; call it with the event loop running.

    A future that was cancelled takes no result, and the end of the process does not wait for the thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            outcome: tuple[Result | None, BaseException | None] = (function(), None)
        except BaseException as error:
            outcome = None, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="loading", daemon=True).start()
    return future


def open_qa(settings: Settings) -> QA:
    """Open the first index that the settings name, and load its encoder, the reranker and the reader.

    Raises:
        DPRError: the index is absent or damaged, a model cannot be loaded or is not the index's, or the generator's
            settings are wrong.
    """
    return Models(settings).open(settings.index[0].path)
