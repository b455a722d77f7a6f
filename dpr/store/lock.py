"""One writer at a time: an advisory lock that the kernel releases when its process ends, even by a crash."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dpr.durable import make_folder
from dpr.errors import IndexLockedError


@contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, which names the holder's process id while it is held.

    Its folder is created if it does not exist. If the folder is empty afterwards, the lock file and all folders created
    for it are removed.

    Raises:
        IndexLockedError: another process holds the lock.
    """
    is_new = not path.exists()
    new_folders = [folder for folder in path.parents if not folder.exists()]  # the deepest first
    with _locked(path) as file:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            if is_new and list(path.parent.iterdir()) == [path]:
                path.unlink()
                with suppress(OSError):  # something else is in one of them by now
                    for folder in new_folders:
                        folder.rmdir()


def _locked(path: Path) -> TextIO:
    """Open and lock a file; try again if the last holder removed the file meanwhile."""
    while True:
        make_folder(path.parent)
        with suppress(FileNotFoundError), ExitStack() as stack:
            file = stack.enter_context(path.open("a+", encoding="ascii"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise IndexLockedError(
                    f"the index {path.parent} is being written by process {holder}; wait until it ends, or stop it"
                ) from None
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                stack.pop_all()
                return file
