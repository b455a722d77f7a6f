"""The reader of this machine, as many threads may use it."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from contextlib import AbstractContextManager
from typing import Any

from dpr.search.lazy import Lazy
from dpr.types import Candidates, Reader, Reading, ReadsWindows


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

    def by_window(self) -> ReadsWindows | None:
        """Return what reads each window by itself; None for a reader that cannot."""
        reader = self.open_reader()
        return _LockedReader(reader, self._lock) if isinstance(reader, ReadsWindows) else None


class _LockedReader:
    """A reader of windows, reading for one thread at a time."""

    def __init__(self, reader: ReadsWindows, lock: AbstractContextManager[object]) -> None:
        self._reader = reader
        self._lock = lock

    def windows(self, batch: Sequence[Candidates]) -> Sequence[Sequence[Sized]]:
        with self._lock:
            return self._reader.windows(batch)

    def read_windows(self, windows: Sequence[Any]) -> Sequence[Any]:
        with self._lock:
            return self._reader.read_windows(windows)

    def reading(self, item: Candidates, read: Sequence[Any], n_best: int = 1) -> Reading:
        with self._lock:
            return self._reader.reading(item, read, n_best)
