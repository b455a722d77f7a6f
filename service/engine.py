"""The engine room: the open generation and its reader, and the thread that computes with them.

Loading happens beside the event loop, so that ``/livez`` answers from the first moment and ``/readyz`` says what is
waited for. Work is done one piece at a time: a piece keeps all cores busy by itself, and tokenizers hold their
truncation as state that two threads would change under each other. A request needs a permit: the computing and the
waiting ones hold at most ``max_in_flight`` of them, and a request that finds none is refused at once rather than
queued without end.

With a generator, which is waited for rather than computed, requests have several threads, and the `QA` computes here
for one of them at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any, TypeVar

from dpr.config import ComputeOptions
from dpr.errors import ConfigError
from dpr.opening import GeneratorOptions
from dpr.opening import open_qa as open_pipeline
from dpr.pipeline import QA, RetrievalOptions
from dpr.search.registry import DEFAULT_RETRIEVER, reranked_name
from dpr.search.reranking import RerankOptions
from dpr.types import Candidates
from service.errors import BusyError, NotReadyError
from service.settings import Settings

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_WAITING = 32
"""Requests that wait for a generator at a time."""

WARM_UP_QUESTIONS = ("What is a warm start?", "서버를 왜 미리 데우는가?")


class Engine:
    """Loads an ``QA`` once, warms it up, and runs work with it in a thread of its own.

    Args:
        load: makes the ``QA``; called once, in a thread.
        retriever: the retriever to warm up, that of requests which name none.
        max_in_flight: pieces of work computing or waiting.
        threads: pieces of work that are run at a time; more than one if they mostly wait for a generator.
    """

    def __init__(
        self, load: Callable[[], QA], retriever: str = DEFAULT_RETRIEVER, max_in_flight: int = 32, threads: int = 1
    ) -> None:
        self._load = load
        self._retriever = retriever
        self._max_in_flight = max_in_flight
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._permits = BoundedSemaphore(max_in_flight)
        self._loading: asyncio.Task[QA] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Engine:
        """Return the engine that the settings describe, not yet loaded."""
        threads = min(settings.max_in_flight, MAX_WAITING) if settings.generator_url else 1
        retriever = reranked_name(settings.retriever_default) if settings.rerank else settings.retriever_default
        return cls(lambda: open_qa(settings), retriever, settings.max_in_flight, threads)

    def start(self) -> None:
        """Begin to load; call it once, with the event loop running."""
        self._loading = asyncio.create_task(self._load_and_warm_up())

    async def loaded(self) -> QA:
        """Wait until loading has ended; call it after ``start``.

        Raises:
            DPRError: it ended with this error.
        """
        while self._loading is None:
            await asyncio.sleep(0.01)
        return await asyncio.shield(self._loading)

    def ready(self) -> QA:
        """Return the loaded and warm ``QA``.

        Raises:
            NotReadyError: it is still being loaded, or could not be.
        """
        loading = self._loading
        if loading is None or not loading.done():
            raise NotReadyError("the index and its models are still being loaded; ask again soon")
        if loading.cancelled():
            raise NotReadyError("the service is shutting down; ask another one")
        if (error := loading.exception()) is not None:
            raise NotReadyError(f"the service could not start: {error}")
        return loading.result()

    async def run(self, work: Callable[[QA], Result]) -> Result:
        """Run ``work`` in the thread and return what it returns.

        Raises:
            NotReadyError: nothing is loaded yet.
            BusyError: ``max_in_flight`` pieces of work are computing or waiting.
        """
        qa = self.ready()
        if not self._permits.acquire(blocking=False):
            raise BusyError(f"{self._max_in_flight} requests are already computing or waiting; ask again soon")
        future = self._pool.submit(work, qa)
        # The permit belongs to the work and not to its caller: a caller that is gone leaves its work running.
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    async def stop(self) -> None:
        """Drop what waits; what computes is computed to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()

    def _release(self, _future: Future[Any]) -> None:
        self._permits.release()

    async def _load_and_warm_up(self) -> QA:
        return await asyncio.wrap_future(self._pool.submit(self._warm))

    def _warm(self) -> QA:
        started = time.perf_counter()
        qa = self._load()
        qa.retrieve(WARM_UP_QUESTIONS, retriever=self._retriever)
        if (reader := qa.reader) is not None:
            # Not through ``answer``: a question without hits would leave the reader cold.
            reader.read([Candidates(WARM_UP_QUESTIONS[0], (qa.index.passages[0],), (0.0,))])
        logger.info("generation %s is ready after %.1f s", qa.index.generation, time.perf_counter() - started)
        return qa


def open_qa(settings: Settings) -> QA:
    """Open the index that the settings name, and load its encoder, the reranker and the reader.

    Raises:
        DPRError: the index is absent or damaged, a model cannot be loaded or is not the index's, or the generator's
            settings are wrong.
    """
    qa = open_pipeline(
        settings.index,
        encoder=settings.encoder,
        reader=None if settings.no_reader else settings.reader,
        generator=_generator(settings),
        retrieval=RetrievalOptions(settings.retriever_default, rerank=_rerank(settings)),
        compute=ComputeOptions(settings.precision, settings.backend),
        verify=settings.verify,
    )
    qa.load()
    return qa


def _generator(settings: Settings) -> GeneratorOptions | None:
    if not settings.generator_url:
        if settings.generator_model:
            raise ConfigError("generator_model is set and generator_url is not; set DPR_GENERATOR_URL too, or neither")
        return None
    if not settings.generator_model:
        raise ConfigError("generator_url is set and generator_model is not; set DPR_GENERATOR_MODEL too, or neither")
    key = settings.generator_key.get_secret_value() if settings.generator_key else ""
    return GeneratorOptions(settings.generator_url, settings.generator_model, key, settings.generator_timeout_s)


def _rerank(settings: Settings) -> RerankOptions | None:
    if settings.rerank is not None:
        return RerankOptions(settings.rerank, settings.rerank_depth)
    if "rerank_depth" in settings.model_fields_set:
        raise ConfigError("rerank_depth is set and rerank is not; set DPR_RERANK too, or neither")
    return None
