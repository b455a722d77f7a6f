"""Sources elsewhere, in object storage or on a web server: their files are copied to a folder, and read there.

A copy is fetched again only if its file is another one, by what the store tells of it: its hash, version or time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from dpr.data.digests import file_digest
from dpr.data.intake import UTF8_RULES, ReadRules, listed_others
from dpr.data.source_files import is_pattern, is_read, without_files
from dpr.data.stores import WEB, Address, find_files, naming_address, open_store
from dpr.durable import naming_a_full_disk, write_atomically
from dpr.types import Progress, no_progress

logger = logging.getLogger(__name__)

AT_A_TIME = 8
"""Files that are fetched at a time."""

TRIES = 3
"""For each file, with `WAIT_S` before the second one, and twice as much before the third."""

WAIT_S = 1.0

STAMPS = "stamps.json"

_STAMP_NAMES = frozenset(
    (
        *("etag", "lastmodified", "versionid", "generation", "md5hash", "crc32c", "updated"),  # S3, GCS
        *("content-md5", "digest", "last-modified", "last_modified"),  # web servers, Azure
        *("mtime", "created"),  # files, fsspec's memory
    )
)
"""What a store tells of a file that changes with its content, in lower case."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a store, the path of its copy, and what changes with its content; empty: nothing is known of that."""

    path: str
    copy: Path
    stamp: str


class RemoteCopies:
    """The copies of files of stores in a folder; those of each address and kind are in a folder of their own."""

    def __init__(self, folder: Path, rules: ReadRules = UTF8_RULES, progress: Progress = no_progress) -> None:
        self._folder = folder
        self._rules = rules
        self._progress = progress
        self._addresses: dict[str, Address] = {}

    def fetch(self, address: Address) -> str:
        """Copy the files of an address that are not there as they are; return the source of the copies.

        Copies of files that the address no longer has are removed.

        Raises:
            DataError: the address cannot be used or reached, or has no file that can be read.
            MissingDependencyError: the package of its store is not installed.
            DiskFullError: there is no space left.
        """
        words = re.sub(r"[^\w.-]+", "-", address.public)[:80].strip("-.")
        identity = f"{address.kind}:{address.public}"  # a kind reads files that a source without one leaves out
        name = f"{words}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
        if self._addresses.setdefault(name, address).url != address.url:
            raise address.error("is named twice, with another query each; fetch one of the files first")
        folder = self._folder / name
        with naming_address(address):
            system, path = open_store(address)
            copy, files = self._files(address, system, path, folder)
        with naming_a_full_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._fetch(address, system, files, folder)
            _remove_others(folder, {folder / STAMPS, *(file.copy for file in files)})
        return address.at(str(copy))

    def remove_others(self) -> None:
        """Remove the copies of addresses that this object has not fetched."""
        for path in self._folder.iterdir():
            if path.is_dir() and path.name not in self._addresses:
                shutil.rmtree(path)

    def _files(self, address: Address, system: Any, path: str, folder: Path) -> tuple[Path, list[_File]]:
        """Return the path of the copy of an address, and its files."""
        root, infos = find_files(address, system, path)
        if root is None:
            name = unquote(urlsplit(path).path) if address.scheme in WEB else path
            copy = folder / _safe_path(address, name.rpartition("/")[2])
            return copy, [_File(path, copy, _stamp(infos[path]))]
        top = folder / (PurePosixPath(root).name or address.scheme)
        other_files: Counter[str] = Counter()
        files = []
        for file, info in sorted(infos.items()):
            below = file.removeprefix(root).lstrip("/")
            if not below or below.endswith("/"):  # stores write such entries for their folders
                continue
            if address.kind or is_read(below, self._rules, other_files):
                files.append(_File(file, top / _safe_path(address, below), _stamp(info)))
        if not files:
            raise address.error(without_files(self._rules, other_files, is_folder=not is_pattern(path)))
        if other_files:
            logger.warning("left out files of %s that are no documents: %s", address.public, listed_others(other_files))
        return top, files

    def _fetch(self, address: Address, system: Any, files: Sequence[_File], folder: Path) -> None:
        """Fetch what is not there as it is, some files at a time."""
        before, stamps, to_fetch = _read_stamps(folder / STAMPS), {}, []
        for file in files:
            name = str(file.copy.relative_to(folder))
            if file.stamp and before.get(name) == file.stamp and file.copy.is_file():
                stamps[name] = file.stamp
            else:
                to_fetch.append(file)
        with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="fetch") as threads:
            futures = {threads.submit(_fetch_file, address, system, file): file for file in to_fetch}
            try:
                for count, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    self._progress("fetch", count, len(to_fetch))
            finally:
                threads.shutdown(wait=True, cancel_futures=True)
                for future, file in futures.items():  # also those that were fetched after another one failed
                    if not future.cancelled() and future.exception() is None:
                        stamps[str(file.copy.relative_to(folder))] = file.stamp
                write_atomically(folder / STAMPS, json.dumps(stamps, ensure_ascii=False))


def _safe_path(address: Address, name: str) -> PurePosixPath:
    """Return the name of a file as a path below a folder, and nowhere else."""
    names = name.split("/")
    if any(step in ("", ".", "..") or "\0" in step for step in names):
        raise address.error(f"has a file {name!r}, whose name is no path of a file; rename it")
    return PurePosixPath(*names)


def _stamp(info: Mapping[str, Any]) -> str:
    """Return what changes with the content of a file, as one text; empty where no more than its size is known."""
    facts = {name.lower(): str(value) for name, value in info.items() if name.lower() in _STAMP_NAMES and value}
    return json.dumps([info.get("size"), *sorted(facts.items())]) if facts else ""


def _read_stamps(path: Path) -> dict[str, str]:
    try:
        stamps = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # there is none, and all is fetched
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _fetch_file(address: Address, system: Any, file: _File) -> None:
    """Fetch one file; a copy of the same content stays, with its time."""
    unfinished = file.copy.with_name(f".{hashlib.sha256(file.copy.name.encode()).hexdigest()[:16]}.unfinished")
    with naming_a_full_disk(file.copy), naming_address(address, "" if address.scheme in WEB else f"{file.path} "):
        file.copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            _get(system, file.path, unfinished)
            if not file.copy.is_file() or file_digest(file.copy) != file_digest(unfinished):
                unfinished.replace(file.copy)
        finally:
            unfinished.unlink(missing_ok=True)


def _get(system: Any, path: str, copy: Path) -> None:
    """Copy a file of a store; what may pass is tried again."""
    for number in range(1, TRIES + 1):
        try:
            system.get_file(path, str(copy))
        except (FileNotFoundError, PermissionError):
            raise
        except Exception:  # each store has classes of its own
            if number == TRIES:
                raise
            time.sleep(WAIT_S * number)
        else:
            return


def _remove_others(folder: Path, copies: set[Path]) -> None:
    """Remove all files below a folder but some, and the folders that are empty then."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in copies:
            path.unlink()
