"""The reader of this machine, as many threads may use it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from dpr.search.lazy import Lazy
from dpr.types import Candidates, Reader, Reading, ReadsPassages


class LocalReader:
    """A reader on this machine: opened when it is first needed, and reading for one thread at a time."""

    def __init__(self, reader: Reader | Lazy[Reader], lock: AbstractContextManager[object]) -> None:
        self.open_reader = reader if isinstance(reader, Lazy) else Lazy(lambda: reader)
        self._lock = lock

    @property
    def name(self) -> str:
        """The reader's folder or hub name."""
        return self.open_reader().name

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        """Return, for each question, at most ``n_best`` answers over all its passages."""
        reader = self.open_reader()
        with self._lock:
            return reader.read(batch, n_best)

    def by_passage(self) -> ReadsPassages | None:
        """Return what reads each passage by itself; None for a reader that cannot."""
        reader = self.open_reader()
        return _LockedReader(reader, self._lock) if isinstance(reader, ReadsPassages) else None


class _LockedReader:
    """A reader of single passages, reading for one thread at a time."""

    def __init__(self, reader: ReadsPassages, lock: AbstractContextManager[object]) -> None:
        self._reader = reader
        self._lock = lock

    def spans(self, batch: Sequence[Candidates]) -> Sequence[Sequence[Any]]:
        with self._lock:
            return self._reader.spans(batch)

    def reading(self, item: Candidates, spans: Sequence[Any], n_best: int = 1) -> Reading:
        with self._lock:
            return self._reader.reading(item, spans, n_best)
