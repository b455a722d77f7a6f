"""Who takes changes of which index; nobody does unless the operator allows it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dpr.errors import ConfigError
from service.errors import BusyError, UnknownDocumentError, WritesOffError
from service.indexes import Indexes
from service.jobs.applier import Applier
from service.jobs.document import Change
from service.jobs.inbox import Inbox
from service.jobs.job import Job, Kind
from service.settings import Settings

STOP_TIMEOUT_S = 5.0
IMPORTS_AT_A_TIME = 8
"""Imports whose lines are read at a time: each has its body and its response in memory."""


class Writers:
    """The inboxes of a server's indexes, and what applies them."""

    def __init__(self, settings: Settings, indexes: Indexes) -> None:
        """Start nothing yet.

        Raises:
            ConfigError: changes are allowed, and the folder of an index cannot be written.
        """
        self._indexes = indexes
        self._appliers: dict[str, Applier] = {}
        self._imports = threading.BoundedSemaphore(IMPORTS_AT_A_TIME)
        if not settings.allow_writes:
            return
        for served in indexes:
            if served.root is None:
                continue
            if served.root.is_dir() and not os.access(served.root, os.W_OK):
                raise ConfigError(f"allow_writes is set, and {served.root} cannot be written; allow it, or unset it")
            inbox = Inbox(served.root)
            self._appliers[served.name] = Applier(inbox, served, settings.keep_generations)

    def start(self) -> None:
        """Begin to apply what is accepted."""
        for applier in self._appliers.values():
            applier.start()

    async def stop(self) -> None:
        """Apply no more; what is accepted is applied after the next start."""
        for applier in self._appliers.values():
            applier.stop()
        for applier in self._appliers.values():
            await asyncio.to_thread(applier.join, STOP_TIMEOUT_S)

    def inbox(self, index: str | None) -> Inbox:
        """Return what is accepted for an index.

        Raises:
            UnknownIndexError: there is none of that name.
            WritesOffError: this server takes no changes.
        """
        return self._applier(index).inbox

    def accept(self, index: str | None, kind: Kind, changes: Sequence[Change]) -> Job:
        """Write changes to the disk, and have them applied.

        Raises:
            UnknownIndexError: there is no index of that name.
            WritesOffError: this server takes no changes.
            DiskFullError: there is no space left.
        """
        applier = self._applier(index)
        job = applier.inbox.accept(kind, changes)
        applier.wake()
        return job

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Let one more import in.

        Raises:
            BusyError: there are `IMPORTS_AT_A_TIME` already.
        """
        if not self._imports.acquire(blocking=False):
            raise BusyError(f"{IMPORTS_AT_A_TIME} imports are being taken in already; send this one again soon")
        try:
            yield
        finally:
            self._imports.release()

    def cancel(self, index: str | None, job_id: str) -> Job:
        """Cancel a job; return it as it is now.

        Raises:
            UnknownJobError: there is none of that id.
            JobEndedError: it has ended.
        """
        applier = self._applier(index)
        job = applier.inbox.cancel(job_id)
        applier.wake()
        return job

    def refuse_unknown(self, index: str | None, document_id: str) -> None:
        """Refuse to delete what neither the index nor a change that waits has.

        Raises:
            UnknownDocumentError: there is no such document.
        """
        served = self._indexes.find(index)
        has_document = self.inbox(index).has_document(document_id)
        if has_document is None:
            has_document = bool(len(served.snapshot.index.passages.rows_of([document_id])))
        if not has_document:
            raise UnknownDocumentError(f"the index {served.name} has no document {document_id[:80]!r}")

    def _applier(self, index: str | None) -> Applier:
        served = self._indexes.find(index)
        if served.name not in self._appliers:
            raise WritesOffError("this server takes no documents; start dpr-serve with --allow-writes")
        return self._appliers[served.name]
