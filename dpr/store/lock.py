"""One writer at a time: an advisory lock that the kernel releases when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpr.errors import IndexLockedError


@contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, which names the holder's process id while it is held.

    Raises:
        IndexLockedError: another process holds it.
    """
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise IndexLockedError(
                f"the index {path.parent} is being written by process {holder}; wait until it ends, or stop it"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
