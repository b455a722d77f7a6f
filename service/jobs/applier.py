"""The thread that makes generations of accepted changes: what is queued goes into one, and the job says how it went.

After a crash it goes on with the batch that was being applied. A batch that was published is known by
the command in the manifest of its generation, and is not applied twice.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from dpr.errors import DataError, DiskFullError, DPRError, IndexLockedError, naming_copies
from dpr.store.generation import read_all, read_current
from dpr.store.manifest import Manifest
from dpr.types import Progress
from index_builder.current import Current
from index_builder.external import prune
from index_builder.local_sources import LocalSource, shown_names
from index_builder.update import AddOptions, add, compact, delete
from service.errors import NotReadyError, ReloadFailedError, without_folders
from service.indexes import ServedIndex
from service.jobs.encoder import lent
from service.jobs.inbox import Batch, Inbox

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""Time between two looks for what other processes accepted."""

REPORT_EVERY_S = 0.2
MAX_WAIT_S = 60.0
"""Longest time until a batch that failed is tried again."""

MAX_TRIES = 12
"""How often a batch is tried, over about four minutes, where what failed does not pass by itself."""

PASSING = (IndexLockedError, DiskFullError, NotReadyError)
"""What passes by itself: another process writes the index, the disk is full, nothing is loaded."""

MAX_SEGMENTS = 16
MAX_COMPACTED_PASSAGES = 200_000
"""Above so many, an index is compacted only by its operator: that takes minutes, and writes all of it anew."""


class _CancelledError(Exception):
    """A job of the batch is to be cancelled."""


class _StoppedError(Exception):
    """The server ends."""


class Applier:
    """Applies what is accepted for one index, while this process is the one that does.

    Args:
        inbox: what is accepted.
        served: the index, whose encoder is used, and which serves each new generation at once.
        keep_generations: how many generations are kept beside the published one.
    """

    def __init__(self, inbox: Inbox, served: ServedIndex, keep_generations: int) -> None:
        self.inbox = inbox
        self._served = served
        self._keep_generations = keep_generations
        self._wake = threading.Event()
        self._is_stopped = threading.Event()
        self._apart: set[str] = set()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"documents {served.name}", daemon=True)

    def start(self) -> None:
        """Begin to apply; call it once."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new."""
        self._wake.set()

    def stop(self) -> None:
        """Apply nothing more; a batch that is being applied goes on when the server is started again."""
        self._is_stopped.set()
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, after ``stop``."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        holder: int | None = None
        while not self._is_stopped.is_set():
            try:
                holder = self.inbox.take() if holder is None else holder
                while holder is not None and not self._is_stopped.is_set() and self._apply_next():
                    pass
            except Exception as error:  # whatever failed, what was acknowledged is tried again
                self._wait_after(error)
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()
        if holder is not None:
            os.close(holder)

    def _apply_next(self) -> bool:
        """Apply what is queued, or go on with what was begun; return whether there was anything."""
        inbox, batch = self.inbox, self.inbox.batch()
        if batch is None:
            for job_id in filter(inbox.is_cancelled, inbox.queued()):
                inbox.end(job_id, "cancelled")
            if not (queued := inbox.queued()):
                return False
            batch = inbox.begin([queued[0]] if self._apart & set(queued) else queued)
        try:
            manifest = self._published(batch) or self._apply(batch)
        except _CancelledError:
            inbox.dissolve(batch)
        except _StoppedError:
            return False
        except DataError as error:
            self._refuse(batch, error)
        except Exception as error:
            if isinstance(error, PASSING) or self._failures + 1 < MAX_TRIES:
                raise
            self._refuse(batch, error)
        else:
            self._finish(batch, manifest)
        self._failures = 0
        return True

    def _published(self, batch: Batch) -> Manifest | None:
        """Return the generation that has a batch already; a process was killed before it could say so."""
        manifests = read_all(self._root)
        return next((manifest for manifest in manifests if manifest.provenance.command == batch.command), None)

    def _apply(self, batch: Batch) -> Manifest:
        self._stop_if_told(batch)
        before = read_current(self._root)
        if batch.puts:
            qa = self._served.snapshot
            encoder = lent(qa.index.resources.encoder(), self._served.lock) if before.encoder else None
            sources = (LocalSource(str(self.inbox.rows(batch)), f"documents {batch.id}"),)
            options = AddOptions(
                sources=sources, index=self._root, replaces=True, deletes=batch.deletes, command=batch.command
            )
            with naming_copies(shown_names(sources)):
                return add(options, encoder, progress=self._progress(batch))
        passages = Current.read(self._root).passages
        names = [name for name in batch.deletes if len(passages.rows_of([name]))]
        if not names:  # they are gone already
            return before
        return delete(self._root, names, progress=self._progress(batch), command=batch.command)

    def _refuse(self, batch: Batch, error: Exception) -> None:
        """End a job that cannot be applied; of several, find out which one that is."""
        self.inbox.dissolve(batch)
        if len(batch.jobs) > 1:
            self._apart.update(batch.jobs)
            return
        self._apart.discard(batch.jobs[0])
        sentence = without_folders(str(error) or type(error).__name__)
        logger.warning("job %s of the index %s failed: %s", batch.jobs[0], self._served.name, sentence)
        self.inbox.end(batch.jobs[0], "failed", error=sentence)

    def _finish(self, batch: Batch, manifest: Manifest) -> None:
        jobs = set(batch.jobs)
        self._tidy(manifest)
        try:
            self._served.reload(again=True)
        except ReloadFailedError as error:  # it is published; the index shows the problem
            logger.warning("%s", error)
        for job_id in self.inbox.queued():
            if job_id in jobs:
                self.inbox.end(job_id, "done", generation=manifest.name)
        self._apart -= jobs
        self.inbox.dissolve(batch)
        self.inbox.clean()

    def _tidy(self, manifest: Manifest) -> None:
        """Compact an index of many segments, and remove old generations; that something fails harms nothing."""
        try:
            if len(manifest.segments) > MAX_SEGMENTS:
                if manifest.rows <= MAX_COMPACTED_PASSAGES:
                    compact(self._root, command="dpr-serve compact")
                else:
                    logger.warning(
                        "the index %s has %d segments, which slows searches; run dpr-index compact when it is quiet",
                        self._served.name,
                        len(manifest.segments),
                    )
            prune(self._root, self._keep_generations)
        except DPRError as error:
            logger.warning("the index %s could not be tidied up: %s", self._served.name, error)

    def _progress(self, batch: Batch) -> Progress:
        """Return what tells how far a batch is, and ends it where it is cancelled or the server stops."""
        next_report = 0.0

        def report(stage: str, completed: int, total: int | None) -> None:
            nonlocal next_report
            if (now := time.monotonic()) < next_report:
                return
            next_report = now + REPORT_EVERY_S
            self._stop_if_told(batch)
            self.inbox.report(stage=stage, completed=completed, total=total)

        return report

    def _stop_if_told(self, batch: Batch) -> None:
        if self._is_stopped.is_set():
            raise _StoppedError
        if any(map(self.inbox.is_cancelled, batch.jobs)):
            raise _CancelledError

    def _wait_after(self, error: Exception) -> None:
        """Say why a batch is tried again, and wait for longer each time."""
        wait_s = min(MAX_WAIT_S, 0.25 * 2**self._failures)
        if not isinstance(error, NotReadyError):
            self._failures += 1
            sentence = without_folders(str(error) or type(error).__name__)
            logger.warning("the changes of the index %s wait %.0f s: %s", self._served.name, wait_s, sentence)
            with suppress(OSError):  # the disk is full, or the folder is gone; the log has it
                self.inbox.report(error=f"tried again in {wait_s:.0f} s: {sentence}")
        self._is_stopped.wait(wait_s)

    @property
    def _root(self) -> Path:
        if self._served.root is None:
            raise NotReadyError(f"the index {self._served.name} has no folder")
        return self._served.root
