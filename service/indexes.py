"""The indexes of a server by name, and how a new generation of one takes the place of the old one.

What answers is a snapshot: one open generation with its models. A request takes it once and keeps it to its end. The
next generation is opened and warmed up beside it, and then takes its place in one step; the old one is let go when its
last request has ended. A generation that cannot be served changes nothing but the ``problem`` of its index.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from dpr.errors import IndexFormatError
from dpr.pipeline import QA
from dpr.store.current import current_number
from dpr.store.layout import IndexLayout
from dpr.types import Candidates, Passage
from service.errors import NotReadyError, ReloadFailedError, UnknownIndexError, without_folders
from service.models import Models
from service.settings import DEFAULT_INDEX, NamedIndex

logger = logging.getLogger(__name__)

Publication = tuple[int, ...]

WARM_UP_QUESTIONS = ("What is a warm start?", "서버를 왜 미리 데우는가?")


class ServedIndex:
    """One index: the generation that answers, and the taking over of the next.

    Attributes:
        name: what requests call it.
        root: its folder; None where it is none on this disk.
        is_fixed: whether nothing can take its generation's place.
        problem: why the published generation is not the one that answers; None where it is.
        lock: held while a model computes.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[], QA],
        root: Path | None = None,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        """Load nothing yet."""
        self.name = name
        self.root = root
        self.problem: str | None = None
        self.is_fixed = root is None
        self._load = load
        self.lock = lock or nullcontext()
        self._snapshot: QA | None = None
        self._publication: Publication | None = None
        self._attempted: Publication | None = None
        self._taking_over = threading.Lock()

    @property
    def snapshot(self) -> QA:
        """The generation that answers from now on, which a request keeps to its end.

        Raises:
            NotReadyError: none is loaded yet.
        """
        if self._snapshot is None:
            raise NotReadyError("the index and its models are still being loaded; ask again soon")
        return self._snapshot

    def load(self) -> None:
        """Open the published generation, warm it up and serve it.

        A ``reload`` meanwhile waits, so that the generation which is published last answers in the end.

        Raises:
            DPRError: it cannot be opened or asked.
        """
        with self._taking_over:
            self._take_over()

    def _take_over(self) -> None:
        started = time.perf_counter()
        publication = self._attempted = self._published()
        qa = self._load()
        logger.info("asking the index %s and its models two questions, so that they are warm", self.name)
        self._warm_up(qa)
        self._snapshot, self._publication, self.problem = qa, publication, None
        seconds = time.perf_counter() - started
        logger.info("generation %s of the index %s is ready after %.1f s", qa.generation, self.name, seconds)

    def _warm_up(self, qa: QA) -> None:
        qa.retrieve(WARM_UP_QUESTIONS)
        if (reader := qa.reader) is not None:
            # Not through ``answer``: a question without hits would leave the reader cold.
            passage = self._sample(qa)
            with self.lock:
                reader.read([Candidates(WARM_UP_QUESTIONS[0], (passage,), (0.0,))])

    def _sample(self, qa: QA) -> Passage:
        """Return a passage to warm the reader up with."""
        return qa.index.passages[0]

    def reload(self, again: bool = False) -> bool:
        """Serve what is published now; return whether something else than before answers.

        A generation that could not be loaded is tried ``again`` only where that is asked.

        Raises:
            ReloadFailedError: it cannot be served, and what answered before goes on.
        """
        with self._taking_over:
            publication = self._published()
            if self.is_fixed or publication == self._publication:
                self.problem = None
                return False
            if publication == self._attempted and not again:
                return False
            try:
                self._take_over()
            except Exception as error:  # whatever is wrong with the new generation, the old one goes on
                sentence = without_folders(str(error) or type(error).__name__)
                self.problem = f"the published generation of the index {self.name} cannot be served: {sentence}"
                logger.exception("%s; generation %s goes on", self.problem, self.snapshot.generation)
                raise ReloadFailedError(f"{self.problem}; generation {self.snapshot.generation} goes on") from error
            return True

    def stop(self) -> None:
        """Let go what a server that ends does not need."""

    def _published(self) -> Publication | None:
        return None if self.root is None else publication_of(self.root)


class Indexes:
    """The indexes of a server; the first one answers requests that name none."""

    def __init__(self, served: Sequence[ServedIndex]) -> None:
        """Serve some indexes."""
        self._by_name = {index.name: index for index in served}
        self._stopped = threading.Event()

    @classmethod
    def from_folders(cls, folders: Sequence[NamedIndex], models: Models) -> Indexes:
        """Return the indexes of some folders, not yet loaded."""
        served = [ServedIndex(item.name, partial(models.open, item.path), item.path, models.lock) for item in folders]
        return cls(served)

    @classmethod
    def alone(cls, load: Callable[[], QA]) -> Indexes:
        """Return one index that is loaded once."""
        return cls([ServedIndex(DEFAULT_INDEX, load)])

    def __iter__(self) -> Iterator[ServedIndex]:
        """Iterate over the indexes, the default one first."""
        return iter(self._by_name.values())

    @property
    def default(self) -> ServedIndex:
        """The index of requests that name none."""
        return next(iter(self))

    def find(self, name: str | None = None) -> ServedIndex:
        """Return the index of a name, or the default one.

        Raises:
            UnknownIndexError: there is none of that name.
        """
        if name is None:
            return self.default
        if name not in self._by_name:
            raise UnknownIndexError(f"there is no index {name!r}; choose from {', '.join(self._by_name)}", "index")
        return self._by_name[name]

    def load(self) -> None:
        """Load all of them.

        Raises:
            DPRError: one cannot be loaded.
        """
        for index in self:
            index.load()

    def reload(self, name: str | None = None) -> list[str]:
        """Serve what is published now of one index, or of all; return the names of those that changed.

        Raises:
            ReloadFailedError: what is published of one cannot be served.
        """
        some = list(self) if name is None else [self.find(name)]
        return [index.name for index in some if index.reload(again=True)]

    def watch(self, interval_s: float) -> None:
        """Look for new generations until ``stop``, in a thread of its own; call it once, when all are loaded."""

        def look() -> None:
            while not self._stopped.wait(interval_s):
                for index in self:
                    try:
                        index.reload()
                    except ReloadFailedError:  # it is logged, and shown as the index's problem
                        continue

        threading.Thread(target=look, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Look for no more new generations."""
        self._stopped.set()
        for index in self:
            index.stop()


def publication_of(root: Path) -> Publication | None:
    """Return what changes when another generation is published, or the published one's manifest is replaced.

    None: nothing that can be read is published.
    """
    try:
        number = current_number(root)
        manifest = IndexLayout(root).manifest(number).stat()
    except (OSError, IndexFormatError):
        return None
    return number, manifest.st_ino, manifest.st_mtime_ns, manifest.st_size
