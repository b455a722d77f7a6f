"""Writes that survive a crash: data reaches the disk before the name that makes it visible."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpr.errors import DiskFullError

UNFINISHED = ".building-"
"""Begins the name of every file and folder that is still being written."""


def reserve(path: Path) -> None:
    """Claim the disk space of a file's whole length, so that writing to its mapped pages cannot fail.

    Raises:
        OSError: there is not so much.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        size = os.fstat(descriptor).st_size
        if size:
            os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error says that there is no space left; FAISS says so in words alone."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error)


def lacks_temporary_folder(error: BaseException) -> bool:
    """Return whether an error says that no folder takes a temporary file, as Python says it where /tmp is full."""
    return isinstance(error, FileNotFoundError) and "No usable temporary directory" in str(error)


def no_space(disk: str) -> str:
    """Return the one sentence of a full disk; ``disk`` names it."""
    return f"there is no space left on {disk}; free some and run the same command again"


@contextmanager
def naming_a_full_disk(path: Path) -> Iterator[None]:
    """Turn whatever a library raises where ``path`` has no space left into the one sentence of a full disk.

    Raises:
        DiskFullError: there is no space left.
    """
    try:
        yield
    except Exception as error:  # each library has a class of its own for it
        if isinstance(error, DiskFullError) or not is_disk_full(error):
            raise
        raise DiskFullError(no_space(f"the disk of {path}")) from error


def sync(path: Path) -> None:
    """Wait until a file's data, or a folder's entries, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until every file and folder under ``folder``, itself included, is on disk."""
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)


def make_folder(path: Path) -> None:
    """Create a folder and the ones above it, and wait until their names are on disk."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def rename(source: Path, target: Path) -> None:
    """Rename a file or a folder, replacing a file of that name, and wait until the new name is on disk."""
    os.replace(source, target)  # noqa: PTH105  # said in the words of the guarantee: atomic within a file system
    sync(target.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which takes its place when the block ends without an error.

    What stood at ``path`` before is kept until then, and for good when the block raises. Missing folders are made.

    Raises:
        DiskFullError: there is no space left.
    """
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    with naming_a_full_disk(path):
        make_folder(path.parent)
        try:
            yield unfinished
            sync(unfinished)
            rename(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file so that a reader sees the old content or the new, never a part."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
