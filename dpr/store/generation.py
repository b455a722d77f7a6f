"""Generations of an index: read the published one; write the next one and publish it as a whole or not at all.

A build writes into folders named ``.building-…``, makes them durable, and only then gives them their names; the
last of a fixed order of atomic renames replaces ``CURRENT``. Killed at any moment, it leaves the last published
generation as it was. What it had finished stands in its journal: the same build, started again, goes on from there;
another one removes what it left.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dpr.durable import UNFINISHED, is_disk_full, make_folder, no_space, rename, sync, sync_tree, write_atomically
from dpr.errors import ConfigError, DiskFullError, IndexFormatError
from dpr.store.current import current_number, write_current
from dpr.store.journal import Journal
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

logger = logging.getLogger(__name__)


def read_current(root: Path) -> Manifest:
    """Return the manifest of the published generation.

    Raises:
        IndexFormatError: there is no published generation, or its manifest cannot be used.
    """
    return Manifest.read(IndexLayout(root).manifest(current_number(root)))


def read_all(root: Path) -> list[Manifest]:
    """Return the manifests of all generations on the disk that can be used, oldest first.

    Of a generation of another format version, or a damaged one, a warning tells.

    Raises:
        IndexFormatError: ``root`` is not an index.
    """
    current_number(root)
    return list(_usable(IndexLayout(root)).values())


def _usable(layout: IndexLayout) -> dict[int, Manifest]:
    manifests = {}
    for number in layout.published_numbers():
        try:
            manifests[number] = Manifest.read(layout.manifest(number))
        except IndexFormatError as error:
            logger.warning("generation %s cannot be used: %s", generation_name(number), error)
    return manifests


class GenerationDraft:
    """A generation that is being written: fill ``segment`` and ``files``, ``seal`` it, then ``publish`` it.

    Attributes:
        number: the generation's number.
        segment_id: the name that its segment will have.
        segment: the files of the segment, where they are written.
        files: the files of the generation, where they are written.
        journal: what is finished of it, by this process or by one before.
        published: its manifest, where a process before was killed when all was done.
    """

    def __init__(self, layout: IndexLayout, journal: Journal, published: Manifest | None = None) -> None:
        self._layout = layout
        self.journal = journal
        self.number = journal.generation
        self.published = published
        self.segment_id = _segment_id(journal)
        self.segment = SegmentFiles(layout.segments / f"{UNFINISHED}{self.segment_id}")
        self.files = GenerationFiles(layout.generations / f"{UNFINISHED}{generation_name(self.number)}")

    def finish(self, piece: str, result: object, *files: Path) -> None:
        """Note that a piece of the work is finished, after its files, or all files of a folder, are on the disk."""
        for path in files:
            if path.is_dir():
                sync_tree(path)
            else:
                sync(path)
            sync(path.parent)
        self.journal.finish(piece, result)

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
            if any(draft.iterdir()):
                rename(draft, final)
            else:  # a generation may have no segment of its own
                draft.rmdir()
        write_atomically(self._layout.manifest(self.number), manifest.to_json())
        write_current(self._layout, self.number)
        self.journal.remove()

    def discard(self) -> None:
        """Remove what was written and not published."""
        for draft, _ in self._folders():
            shutil.rmtree(draft, ignore_errors=True)
            with suppress(OSError):  # others are there
                draft.parent.rmdir()
        self.journal.remove()

    def prepare(self) -> None:
        """Make the folders to write into, or take those back that a killed process had given their names already."""
        for draft, final in self._folders():
            if final.is_dir() and not draft.is_dir():
                rename(final, draft)
            make_folder(draft)

    def _folders(self) -> list[tuple[Path, Path]]:
        return [
            (self.segment.folder, self._layout.segment(self.segment_id).folder),
            (self.files.folder, self._layout.generation(self.number).folder),
        ]


def publish_again(root: Path, number: int) -> Manifest:
    """Publish a generation that is on the disk, older or newer than the published one; return its manifest.

    Raises:
        IndexFormatError: there is no such generation, or its manifest cannot be used.
        IndexLockedError: another process is writing the index.
    """
    layout = IndexLayout(root)
    current_number(root)
    with writer_lock(layout.lock):
        _finish_publication(layout)
        manifest = _manifest_on_disk(layout, number)
        write_current(layout, number)
    return manifest


def rewrite_current(root: Path, change: Callable[[Manifest], Manifest]) -> Manifest:
    """Replace the manifest of the published generation in one step; return the new one. No other file may change.

    Raises:
        IndexFormatError: there is no published generation, or its manifest cannot be used.
        IndexLockedError: another process is writing the index.
    """
    layout = IndexLayout(root)
    current_number(root)
    with writer_lock(layout.lock):
        _finish_publication(layout)
        manifest = change(read_current(root))
        write_atomically(layout.manifest(manifest.generation), manifest.to_json())
    return manifest


def remove_generations(root: Path, keep: int) -> list[str]:
    """Remove all generations but the published one and the ``keep`` newest others; return the names of the removed.

    Those that cannot be used, of another format version or damaged, are removed in any case.
    Segments that no generation on the disk has any more are removed, too, but that of an unfinished build. Who has a
    removed generation open goes on reading it, for as long as it is open.

    Raises:
        IndexFormatError: the published generation cannot be used.
        IndexLockedError: another process is writing the index.
    """
    layout = IndexLayout(root)
    current_number(root)
    with writer_lock(layout.lock):
        unfinished = _finish_publication(layout)
        published = read_current(root).generation
        usable = _usable(layout)
        others = [number for number in usable if number != published]
        kept_numbers = {published, *others[max(0, len(others) - keep) :]}
        kept = [usable[number] for number in sorted(kept_numbers)]
        removed = [number for number in layout.published_numbers() if number not in kept_numbers]
        for number in removed:
            layout.manifest(number).unlink()
            shutil.rmtree(layout.generation(number).folder, ignore_errors=True)
        used = {segment.id for manifest in kept for segment in manifest.segments}
        used |= {_segment_id(unfinished)} if unfinished else set()
        for path in layout.segments.glob("*/"):
            if is_segment_name(path.name) and path.name not in used:
                _remove(path)
    return [generation_name(number) for number in removed]


def _manifest_on_disk(layout: IndexLayout, number: int) -> Manifest:
    if number not in layout.published_numbers():
        known = ", ".join(map(generation_name, layout.published_numbers()))
        raise IndexFormatError(f"{layout.root} has no generation {generation_name(number)}; it has {known}")
    return Manifest.read(layout.manifest(number))


@contextmanager
def draft_generation(root: Path, build: str) -> Iterator[GenerationDraft]:
    """Lock an index, created where there is none, and offer its next generation to be written.

    ``build`` says what is built of what. If a process that wrote the same was stopped, the draft is the one that it
    left. A draft that is left by an error is kept if a piece of it is finished.

    Raises:
        ConfigError: ``root`` is a file, or a folder that holds something else than an index.
        IndexLockedError: another process is writing the index.
        DiskFullError: there is no space left for what is written in the block; what is finished of it is kept.
    """
    layout = IndexLayout(root)
    _refuse_other_content(layout)
    with _telling_of_a_full_disk(root), writer_lock(layout.lock):
        draft = _next_draft(layout, build)
        _remove_leftovers(layout, draft)
        if draft.published is None:
            draft.prepare()
        try:
            yield draft
        finally:
            if not len(draft.journal):
                draft.discard()


@contextmanager
def _telling_of_a_full_disk(root: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, DiskFullError) as error:
        if not isinstance(error, DiskFullError) and not is_disk_full(error):
            raise
        sentence = no_space(f"the disk of {root}")
        raise DiskFullError(
            f"{sentence}: it goes on from what is finished, and what was published before is as it was"
        ) from error


def _finish_publication(layout: IndexLayout) -> Journal | None:
    """Publish what a process was killed over at the last moment; return the journal that is on the disk, if any.

    A generation's manifest is the last thing that is written before it is made the current one.
    """
    left = Journal.read(layout.journal)
    if left is not None and left.generation in layout.published_numbers():
        write_current(layout, left.generation)
        left.remove()
    return left


def _segment_id(journal: Journal) -> str:
    return f"{generation_name(journal.generation)}-{hashlib.sha256(journal.build.encode()).hexdigest()[:8]}"


def _next_draft(layout: IndexLayout, build: str) -> GenerationDraft:
    left = _finish_publication(layout)
    published = layout.published_numbers()
    if left is not None and left.generation in published and left.build == build:
        return GenerationDraft(layout, left, Manifest.read(layout.manifest(left.generation)))
    number = max(published, default=0) + 1
    if left is None or (left.build, left.generation) != (build, number):
        if left is not None and len(left):
            logger.warning("%s: what another build, of other options, sources or models, left is removed", layout.root)
        left = Journal.start(layout.journal, build, number)
    return GenerationDraft(layout, left)


def _refuse_other_content(layout: IndexLayout) -> None:
    root = layout.root
    nearest = next(path for path in (root, *root.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise ConfigError(f"{nearest} is a file; name a folder for the index")
    if root.is_dir() and any(root.iterdir()) and not (layout.lock.exists() or layout.current.exists()):
        raise ConfigError(f"{root} holds other files and no index; name an empty or a new folder for the index")


def _remove_leftovers(layout: IndexLayout, draft: GenerationDraft) -> None:
    """Remove what killed writers left, but for a draft that goes on; only the holder of the lock may."""
    goes_on = len(draft.journal) > 0
    kept = {layout.journal, *((draft.segment.folder, draft.files.folder) if goes_on else ())}
    for folder in (layout.root, layout.segments, layout.generations):
        for path in set(folder.glob(f"{UNFINISHED}*")) - kept:
            _remove(path)
    numbers = {*layout.published_numbers(), *((draft.number,) if goes_on else ())}
    for path in layout.generations.glob("*/"):
        if is_generation_name(path.name) and int(path.name) not in numbers:
            _remove(path)
    try:
        manifests = [Manifest.read(layout.manifest(number)) for number in layout.published_numbers()]
    except IndexFormatError:
        return  # a manifest that cannot be read may name any segment: keep them all
    used = {segment.id for manifest in manifests for segment in manifest.segments}
    used |= {draft.segment_id} if goes_on else set()
    for path in layout.segments.glob("*/"):
        if is_segment_name(path.name) and path.name not in used:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
