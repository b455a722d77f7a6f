"""The models of a server, loaded once each: all of its indexes and all of their generations share them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from weakref import WeakValueDictionary

from dpr.config import ComputeOptions
from dpr.errors import ConfigError, IndexFormatError
from dpr.opening import lazy_reader
from dpr.pipeline import QA, Generator, RetrievalOptions
from dpr.reader.generative.reader import open_generator
from dpr.reader.registry import load_reader
from dpr.search.contract import Reranker
from dpr.search.lazy import Lazy
from dpr.search.open import open_index
from dpr.search.reranking import RerankOptions
from dpr.search.resources import checked_encoder, load_recorded
from dpr.store import filtering
from dpr.store.generation import read_current
from dpr.store.manifest import EncoderRecord
from dpr.types import Encoder, Reader
from service.settings import Settings

logger = logging.getLogger(__name__)

OPENINGS = 3
"""How often an index is opened where each time another process publishes a generation meanwhile."""


class FairLock:
    """A lock that is given to those who wait in the order in which they came.

    A thread that encodes documents takes it again and again; with `threading.Lock`, questions would wait for its end.
    """

    def __init__(self) -> None:
        self._inner = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_held = False

    def __enter__(self) -> None:
        with self._inner:
            if not self._is_held:
                self._is_held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._inner:
            if self._waiting:
                self._waiting.popleft().set()  # it is held on, by the next one
            else:
                self._is_held = False


class BesideIndex(NamedTuple):
    """What a pipeline has beside an index."""

    reader: Reader | None
    generator: Generator | None
    reranker: Lazy[Reranker] | None
    retrieval: RetrievalOptions


class Models:
    """Opens indexes with the models that the settings name, each of which is loaded once.

    Attributes:
        lock: held while a model computes: tokenizers keep their truncation as state.
    """

    def __init__(self, settings: Settings) -> None:
        """Load nothing yet."""
        self.lock = FairLock()
        self._settings = settings
        self._compute = ComputeOptions(settings.precision, settings.backend)
        self._encoders: WeakValueDictionary[str, Encoder] = WeakValueDictionary()  # while an index has them
        self._reader: Reader | None = None
        self._generator: Generator | None = None
        self._reranker: Lazy[Reranker] | None = None
        self._opening = threading.Lock()

    def open(self, root: Path) -> QA:
        """Open the published generation of an index, with every file and every model that it needs.

        Raises:
            DPRError: the index is absent or damaged, a model cannot be loaded or is not the index's, or the settings of
                the generator or the reranker are wrong.
        """
        with self._opening:
            self._generator = self._generator or _open_generator(self._settings)
            for _ in range(OPENINGS):
                manifest = read_current(root)
                try:
                    return self._open(root, manifest.encoder)
                except IndexFormatError:
                    if read_current(root) == manifest:
                        raise
            return self._open(root, read_current(root).encoder)

    def open_node(self, root: Path) -> QA:
        """Open the published generation of a shard, without models: its questions come encoded.

        Raises:
            DPRError: the index is absent or damaged.
        """
        with self._opening:
            index = open_index(root, compute=self._compute, verify=self._settings.verify)
            index.open_files()
            filtering.warm_up()
        return QA(index, lock=self.lock)

    def beside_index(self) -> BesideIndex:
        """Return, for a router, what a pipeline has beside an index, loaded.

        Raises:
            DPRError: a model cannot be loaded, or the settings of the generator or the reranker are wrong.
        """
        settings, compute = self._settings, self._compute
        with self._opening:
            self._generator = self._generator or _open_generator(self._settings)
            if not settings.no_reader and self._reader is None:
                self._reader = load_reader(settings.reader, compute.precision, compute.backend)
            if (options := _rerank_options(settings)) is not None and self._reranker is None:
                self._reranker = Lazy(options.computed_as(compute).load)
                self._reranker()
            retrieval = RetrievalOptions(settings.retriever_default, rerank=options)
            return BesideIndex(self._reader, self._generator, self._reranker, retrieval)

    def _open(self, root: Path, recorded: EncoderRecord | None) -> QA:
        settings = self._settings
        index = open_index(
            root,
            self.encoder(recorded) if recorded else None,
            compute=self._compute,
            rerank=_rerank_options(settings),
            verify=settings.verify,
        )
        index.reranker = self._reranker or index.reranker
        reader = None if settings.no_reader else self._reader or lazy_reader(settings.reader, self._compute)
        retrieval = RetrievalOptions(settings.retriever_default, rerank=index.rerank)
        qa = QA(index, reader, self._generator, retrieval, self.lock)
        if isinstance(reader, Lazy):
            logger.info("loading the reader %s", settings.reader)
        qa.load()
        filtering.warm_up()
        self._reader, self._reranker = qa.reader, qa.index.reranker
        return qa

    def encoder(self, recorded: EncoderRecord) -> Encoder:
        """Return the encoder of a record, loaded once.

        Raises:
            ModelError: it cannot be loaded.
            IndexFormatError: it is another one.
        """
        encoder = self._encoders.get(recorded.fingerprint)
        if encoder is None:
            logger.info("loading the encoder %s", recorded.name)
            encoder = checked_encoder(recorded, load_recorded(recorded, self._settings.encoder, self._compute))
            self._encoders[recorded.fingerprint] = encoder
        return encoder


def _open_generator(settings: Settings) -> Generator | None:
    if not settings.generator_url:
        if settings.generator_model:
            raise _half_set("generator_model", "generator_url")
        return None
    if not settings.generator_model:
        raise _half_set("generator_url", "generator_model")
    key = settings.generator_key.get_secret_value() if settings.generator_key else ""
    return open_generator(settings.generator_url, settings.generator_model, key, settings.generator_timeout_s)


def _rerank_options(settings: Settings) -> RerankOptions | None:
    if settings.rerank is not None:
        return RerankOptions(settings.rerank, settings.rerank_depth)
    if "rerank_depth" in settings.model_fields_set:
        raise _half_set("rerank_depth", "rerank")
    return None


def _half_set(name: str, absent_name: str) -> ConfigError:
    """Return the error of a setting that means nothing without another one."""
    present, absent = (f"--{setting.replace('_', '-')} (or DPR_{setting.upper()})" for setting in (name, absent_name))
    return ConfigError(f"{present} is set and {absent} is not; set both, or neither")
