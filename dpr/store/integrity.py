"""Are the files of a generation those that were published: their sizes, and their content as far as is asked."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from dpr.errors import IndexFormatError
from dpr.store.manifest import FileRecord, record_file

VerifyLevel = Literal["sizes", "quick", "full"]
"""``sizes`` compares every file's size, ``quick`` also reads those of up to `SMALL_BYTES` whole, ``full`` reads all."""

SMALL_BYTES = 64 * 1024 * 1024
"""Size up to which a file is read whole by ``quick``: about a tenth of a second at most."""

MAX_THREADS = 4


def check_files(root: Path, files: Mapping[str, FileRecord], level: VerifyLevel = "quick") -> None:
    """Check the files of a generation against their records.

    Raises:
        IndexFormatError: a file is absent, has another size, or is read and has another content.
    """
    check_sizes(root, files)
    limit = {"sizes": -1.0, "quick": SMALL_BYTES, "full": math.inf}[level]
    check_contents(root, files, (name for name, record in files.items() if record.size_bytes <= limit))


def check_sizes(root: Path, files: Mapping[str, FileRecord]) -> None:
    """Check that every file exists with its recorded size, without reading it.

    Raises:
        IndexFormatError: a file is absent or has another size.
    """
    for name, record in files.items():
        path = root / name
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            raise IndexFormatError(f"{path} is missing; restore it, or rebuild with dpr-index build")
        if size != record.size_bytes:
            raise IndexFormatError(
                f"{path} has {size:,} bytes, but its manifest says {record.size_bytes:,}; "
                "restore it, or rebuild with dpr-index build"
            )


def check_contents(root: Path, files: Mapping[str, FileRecord], names: Iterable[str]) -> None:
    """Check the content of the named files against their recorded SHA-256, reading them whole, some at a time.

    Raises:
        IndexFormatError: a file cannot be read, or its content has changed.
    """
    threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads, thread_name_prefix="integrity") as pool:
        for _ in pool.map(lambda name: _check_content(root / name, files[name]), names):
            pass


def _check_content(path: Path, record: FileRecord) -> None:
    try:
        is_same = record_file(path) == record
    except OSError as error:
        raise IndexFormatError(f"{path} cannot be read ({error}); rebuild with dpr-index build") from error
    if not is_same:
        raise IndexFormatError(
            f"{path} has changed: its SHA-256 differs from the manifest's; restore it, or rebuild with dpr-index build"
        )
