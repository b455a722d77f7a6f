"""Generations of an index: read the published one; write the next one and publish it as a whole or not at all.

A build writes into folders named ``.building-…``, makes them durable, and only then gives them their names; the
last of a fixed order of atomic renames replaces ``CURRENT``. Killed at any moment, it leaves the last published
generation as it was, and leftovers that the next writer removes.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpr.durable import UNFINISHED, make_folder, rename, sync_tree, write_atomically
from dpr.errors import ConfigError, IndexFormatError
from dpr.store.layout import (
    GenerationFiles,
    IndexLayout,
    SegmentFiles,
    generation_name,
    is_generation_name,
    is_segment_name,
)
from dpr.store.lock import writer_lock
from dpr.store.manifest import FileRecord, Manifest, record_file
from dpr.types import Progress, no_progress


def read_current(root: Path) -> Manifest:
    """Return the manifest of the published generation.

    Raises:
        IndexFormatError: there is no published generation, or its manifest cannot be used.
    """
    return Manifest.read(IndexLayout(root).manifest(_current_number(root)))


def read_all(root: Path) -> list[Manifest]:
    """Return the manifests of all generations that are on the disk, oldest first.

    Raises:
        IndexFormatError: ``root`` is not an index, or a manifest cannot be used.
    """
    _current_number(root)
    layout = IndexLayout(root)
    return [Manifest.read(layout.manifest(number)) for number in layout.published_numbers()]


class GenerationDraft:
    """A generation that is being written: fill ``segment`` and ``files``, ``seal`` it, then ``publish`` it."""

    def __init__(self, layout: IndexLayout) -> None:
        self._layout = layout
        self.number = max(layout.published_numbers(), default=0) + 1
        self.segment_id = f"{generation_name(self.number)}-{secrets.token_hex(4)}"
        self.segment = SegmentFiles(layout.segments / f"{UNFINISHED}{self.segment_id}")
        self.files = GenerationFiles(layout.generations / f"{UNFINISHED}{generation_name(self.number)}")
        for folder in (self.segment.folder, self.files.folder):
            make_folder(folder)

    def seal(self, progress: Progress = no_progress) -> dict[str, FileRecord]:
        """Make every file durable; return their records, by the names that they will be published under."""
        files: dict[str, Path] = {}
        for draft, final in self._folders():
            sync_tree(draft)
            for path in sorted(item for item in draft.rglob("*") if item.is_file()):
                files[(final / path.relative_to(draft)).relative_to(self._layout.root).as_posix()] = path
        records = {}
        for done, (name, path) in enumerate(files.items()):
            progress("seal", done, len(files))
            records[name] = record_file(path)
        progress("seal", len(files), len(files))
        return records

    def publish(self, manifest: Manifest) -> None:
        """Give everything its final name, then the manifest, then ``CURRENT``: from there on it is served."""
        for draft, final in self._folders():
            rename(draft, final)
        write_atomically(self._layout.manifest(self.number), manifest.to_json())
        write_atomically(self._layout.current, f"{manifest.name}\n")

    def discard(self) -> None:
        """Remove what was written and not published."""
        for draft, _ in self._folders():
            shutil.rmtree(draft, ignore_errors=True)

    def _folders(self) -> list[tuple[Path, Path]]:
        return [
            (self.segment.folder, self._layout.segment(self.segment_id).folder),
            (self.files.folder, self._layout.generation(self.number).folder),
        ]


@contextmanager
def draft_generation(root: Path) -> Iterator[GenerationDraft]:
    """Lock an index, created where there is none, and offer its next generation to be written.

    Raises:
        ConfigError: ``root`` is a file, or a folder that holds something else than an index.
        IndexLockedError: another process is writing the index.
    """
    layout = IndexLayout(root)
    _refuse_other_content(layout)
    make_folder(root)
    with writer_lock(layout.lock):
        _remove_leftovers(layout)
        draft = GenerationDraft(layout)
        try:
            yield draft
        finally:
            draft.discard()


def _current_number(root: Path) -> int:
    current = IndexLayout(root).current
    try:
        name = current.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        cause = "holds no published index" if root.is_dir() else "is not there"
        raise IndexFormatError(f"{root} {cause}; build an index there with dpr-index build --output {root}") from None
    except UnicodeDecodeError:
        name = "something that is not text"
    if not is_generation_name(name):
        raise IndexFormatError(f"{current} names no generation but {name!r}; rebuild with dpr-index build")
    return int(name)


def _refuse_other_content(layout: IndexLayout) -> None:
    root = layout.root
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root} is a file; name a folder for the index")
    if root.is_dir() and any(root.iterdir()) and not layout.lock.exists():
        raise ConfigError(f"{root} holds other files and no index; name an empty or a new folder for the index")


def _remove_leftovers(layout: IndexLayout) -> None:
    """Remove what killed writers left; only the holder of the lock may."""
    for folder in (layout.root, layout.segments, layout.generations):
        for path in folder.glob(f"{UNFINISHED}*"):
            _remove(path)
    numbers = layout.published_numbers()
    for path in layout.generations.glob("*/"):
        if is_generation_name(path.name) and int(path.name) not in numbers:
            _remove(path)
    try:
        manifests = [Manifest.read(layout.manifest(number)) for number in numbers]
    except IndexFormatError:
        return  # a manifest that cannot be read may name any segment: keep them all
    used = {segment.id for manifest in manifests for segment in manifest.segments}
    for path in layout.segments.glob("*/"):
        if is_segment_name(path.name) and path.name not in used:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
