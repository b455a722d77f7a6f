"""Sources that are not files of this machine, standard input and addresses elsewhere, as files beside the index."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import url2pathname

from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.data.remote import RemoteCopies
from dpr.data.rows import ROW_FORMATS
from dpr.data.stores import address_of
from dpr.durable import naming_a_full_disk
from dpr.errors import DataError, naming_copies
from dpr.store.lock import writer_lock
from dpr.types import Progress, no_progress

STANDARD_INPUT = "-"

DEFAULT_FORMAT = ".jsonl"
"""The format of standard input where the source does not name one."""

LOCAL_SCHEME = "file"


@dataclass(frozen=True, slots=True)
class LocalSource:
    """A source that is read at ``path``, and recorded by its ``name``: as the command named it, without a signature."""

    path: str
    name: str


Source = str | LocalSource
"""A text is both the path and the name."""


def path_of(source: Source) -> str:
    """Return where a source is read."""
    return source.path if isinstance(source, LocalSource) else source


def name_of(source: Source) -> str:
    """Return by what name a source is recorded."""
    return source.name if isinstance(source, LocalSource) else source


def copies_folder(index: Path) -> Path:
    """Return the folder beside an index where its sources from elsewhere are copied."""
    index = index.absolute()
    return index.with_name(f".{index.name}-sources")


def is_standard_input(source: str) -> bool:
    """Tell whether a source is ``-``, or ``FORMAT:-``."""
    return source == STANDARD_INPUT or source.endswith(f":{STANDARD_INPUT}")


@contextmanager
def local_sources(
    sources: Sequence[Source],
    index: Path | None,
    rules: ReadRules = UTF8_RULES,
    progress: Progress = no_progress,
    *,
    stays: bool = False,
) -> Iterator[tuple[Source, ...]]:
    """Yield sources of this machine: standard input and addresses are copied into `copies_folder` first.

    The copies of addresses are removed at the end, unless there was an error, so that the same command does not fetch
    them again, or they are to ``stay``. That of standard input is always removed; its name is that of its content, so
    that a stopped build goes on with the same input. Without an ``index``, all are in a temporary folder.

    Raises:
        DataError: standard input is empty, named twice or of an unknown format; an address cannot be used or reached.
        MissingDependencyError: the package of a store is not installed.
        IndexLockedError: another process is fetching sources of the index.
        DiskFullError: there is no space left.
    """
    named = [source for source in sources if isinstance(source, str)]  # the others are of this machine already
    if not any(is_standard_input(source) or address_of(source) for source in named):
        yield tuple(sources)
        return
    if sum(map(is_standard_input, named)) > 1:
        raise DataError("standard input is named twice; it can be read once")
    if index is None:
        with tempfile.TemporaryDirectory(prefix="dpr-sources-") as temporary:
            copied = _copied(sources, Path(temporary), rules, progress)
            with naming_copies(shown_names(copied)):
                yield copied
        return
    folder = copies_folder(index)
    with writer_lock(folder / "lock"):
        try:
            copied = _copied(sources, folder, rules, progress)
            with naming_copies(shown_names(copied)):
                yield copied
            if not stays:
                _remove_folders(folder)
        finally:
            for path in folder.glob(f"{_SPOOLED}*"):
                path.unlink()


def shown_names(sources: Sequence[Source]) -> dict[str, str]:
    """Return what messages call the files of sources, by their paths: see `dpr.errors.naming_copies`."""
    names = {}
    for source in sources:
        if isinstance(source, LocalSource):
            names[source.path] = "standard input" if is_standard_input(source.name) else source.name
            if (address := address_of(source.name)) is not None:
                path = source.path.removeprefix(f"{address.kind}:").removesuffix(address.articles)
                names[path] = address.public
    return names


_SPOOLED = "stdin-"


def _copied(sources: Sequence[Source], folder: Path, rules: ReadRules, progress: Progress) -> tuple[Source, ...]:
    copies = RemoteCopies(folder, rules, progress)
    local: list[Source] = []
    for source in sources:
        if isinstance(source, LocalSource):
            local.append(source)
        elif is_standard_input(source):
            local.append(LocalSource(str(_spool(source, folder)), source))
        elif (address := address_of(source)) is None:
            local.append(source)
        elif address.scheme == LOCAL_SCHEME:
            path = url2pathname(address.url.partition("://")[2])
            local.append(LocalSource(address.at(path), address.name))
        else:
            local.append(LocalSource(copies.fetch(address), address.name))
    copies.remove_others()
    return tuple(local)


def _spool(source: str, folder: Path) -> Path:
    """Write standard input to a file that is named by its content."""
    ending = f".{source.rpartition(':')[0]}".lower() if source != STANDARD_INPUT else DEFAULT_FORMAT
    if ending not in ROW_FORMATS:
        formats = ", ".join(f"{name.removeprefix('.')}:-" for name in ROW_FORMATS)
        raise DataError(
            f"{source}: standard input has rows, in one of the forms {formats}; save another source as a file first"
        )
    if sys.stdin.isatty():
        raise DataError(f"{source}: standard input is a terminal; pipe rows into the command, or name a file")
    digest = hashlib.sha256()
    unfinished = folder / f"{_SPOOLED}{os.getpid()}.unfinished"
    with naming_a_full_disk(folder), unfinished.open("wb") as file:
        while block := sys.stdin.buffer.read(1 << 20):
            digest.update(block)
            file.write(block)
    if not unfinished.stat().st_size:
        raise DataError(f"{source}: standard input is empty; pipe rows into the command, or name a file")
    os.utime(unfinished, ns=(0, 0))  # the name identifies the content, whenever it came
    return unfinished.replace(folder / f"{_SPOOLED}{digest.hexdigest()[:32]}{ending}")


def _remove_folders(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
