"""The next generation of an index: written beside the others, then published as a whole or not at all.

A build writes into folders named ``.building-…``, syncs them, and only then gives them their final names. The last of
a fixed order of atomic renames replaces ``CURRENT``. A process that is killed at any moment leaves the last published
generation as it was. The journal names its finished pieces: the same build, started again, continues from them, and
another build removes them.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from dpr.durable import UNFINISHED, is_disk_full, make_folder, no_space, rename, sync, sync_tree, write_atomically
from dpr.errors import ConfigError, DiskFullError, IndexFormatError
from dpr.store.current import write_current
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


Beside = Callable[[Path], AbstractContextManager[None]]
"""A context that looks after what an index, by its folder, has elsewhere."""


def nothing_beside(_root: Path) -> AbstractContextManager[None]:
    """Return the context of an index that has nothing elsewhere."""
    return nullcontext()


class GenerationDraft:
    """A generation that is being written: fill ``segment`` and ``files``, ``seal`` it, then ``publish`` it.

    Attributes:
        number: the generation's number.
        segment_id: the name that its segment will have.
        segment: the files of the segment, under their temporary names.
        files: the files of the generation, under their temporary names.
        journal: the pieces that this process, or a killed one before it, has finished.
        published: its manifest, if a killed process had finished all of it.
    """

    def __init__(self, layout: IndexLayout, journal: Journal, published: Manifest | None = None) -> None:
        self._layout = layout
        self.journal = journal
        self.number = journal.generation
        self.published = published
        self.segment_id = segment_id_of(journal)
        self.segment = SegmentFiles(layout.segments / f"{UNFINISHED}{self.segment_id}")
        self.files = GenerationFiles(layout.generations / f"{UNFINISHED}{generation_name(self.number)}")

    def finish(self, piece: str, result: object, *files: Path) -> None:
        """Sync the files (or folders) of a piece of work, then record in the journal that it is finished."""
        for path in files:
            if path.is_dir():
                sync_tree(path)
            else:
                sync(path)
            sync(path.parent)
        self.journal.finish(piece, result)

    def seal(self, progress: Progress = no_progress) -> dict[str, FileRecord]:
        """Sync every file; return their records by their final names."""
        files: dict[str, Path] = {}
        for draft, final in self._folders():
            sync_tree(draft)
            for path in sorted(item for item in draft.rglob("*") if item.is_file()):
                files[(final / path.relative_to(draft)).relative_to(self._layout.root).as_posix()] = path
        records = {}
        for count, (name, path) in enumerate(files.items()):
            progress("seal", count, len(files))
            records[name] = record_file(path)
        progress("seal", len(files), len(files))
        return records

    def publish(self, manifest: Manifest) -> None:
        """Rename the folders to their final names, write the manifest, then ``CURRENT``, which makes it served."""
        for draft, final in self._folders():
            if any(draft.iterdir()):
                rename(draft, final)
            else:  # a generation may have no segment of its own
                draft.rmdir()
        write_atomically(self._layout.manifest(self.number), manifest.to_json())
        write_current(self._layout, self.number)
        self.journal.remove()
        shutil.rmtree(self._layout.pieces, ignore_errors=True)

    def discard(self) -> None:
        """Remove what was written and not published."""
        for draft, _ in self._folders():
            shutil.rmtree(draft, ignore_errors=True)
            with suppress(OSError):  # the folder is not empty
                draft.parent.rmdir()
        shutil.rmtree(self._layout.pieces, ignore_errors=True)
        self.journal.remove()

    def prepare(self) -> None:
        """Create the folders to write into, or rename back those that a killed process had already renamed."""
        for draft, final in self._folders():
            if final.is_dir() and not draft.is_dir():
                rename(final, draft)
            make_folder(draft)

    def _folders(self) -> list[tuple[Path, Path]]:
        return [
            (self.segment.folder, self._layout.segment(self.segment_id).folder),
            (self.files.folder, self._layout.generation(self.number).folder),
        ]


@contextmanager
def draft_generation(root: Path, build: str, beside: Beside = nothing_beside) -> Iterator[GenerationDraft]:
    """Lock an index, which is created if it does not exist, and yield the draft of its next generation.

    ``build`` identifies the sources, options and models. If a process with the same ``build`` was stopped, the draft
    continues its work. After an error the draft stays on the disk if a piece of it is finished. ``beside`` looks after
    what the index has elsewhere: a context that is entered before leftovers are removed, and left after the draft is
    published or discarded, with the lock held.

    Raises:
        ConfigError: ``root`` is a file, or a folder that holds something else than an index.
        IndexLockedError: another process is writing the index.
        DiskFullError: the disk is full; the finished pieces stay.
    """
    layout = IndexLayout(root)
    _refuse_other_content(layout)
    with _disk_full_errors(root), writer_lock(layout.lock), beside(root):
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
def _disk_full_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, DiskFullError) as error:
        if not isinstance(error, DiskFullError) and not is_disk_full(error):
            raise
        sentence = no_space(f"the disk of {root}")
        raise DiskFullError(
            f"{sentence}: it continues from the finished pieces; the published generation is unchanged"
        ) from error


def finish_publication(layout: IndexLayout) -> Journal | None:
    """Publish a generation whose process was killed just before ``CURRENT``; return the journal on the disk, if any.

    The manifest is the last file written before ``CURRENT``, so a journal whose manifest exists is complete.
    """
    journal = Journal.read(layout.journal)
    if journal is not None and journal.generation in layout.published_numbers():
        write_current(layout, journal.generation)
        journal.remove()
    return journal


def segment_id_of(journal: Journal) -> str:
    """Return the name of the segment that a build writes: ``000001-5f0c9a1e``."""
    return f"{generation_name(journal.generation)}-{hashlib.sha256(journal.build.encode()).hexdigest()[:8]}"


def _next_draft(layout: IndexLayout, build: str) -> GenerationDraft:
    journal = finish_publication(layout)
    published = layout.published_numbers()
    if journal is not None and journal.generation in published and journal.build == build:
        return GenerationDraft(layout, journal, Manifest.read(layout.manifest(journal.generation)))
    number = max(published, default=0) + 1
    if journal is None or (journal.build, journal.generation) != (build, number):
        if journal is not None and len(journal):
            logger.warning("%s: removing an unfinished build of other options, sources or models", layout.root)
        journal = Journal.start(layout.journal, build, number)
    return GenerationDraft(layout, journal)


def _refuse_other_content(layout: IndexLayout) -> None:
    root = layout.root
    nearest = next(path for path in (root, *root.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise ConfigError(f"{nearest} is a file; choose a folder for the index")
    if root.is_dir() and any(root.iterdir()) and not (layout.lock.exists() or layout.current.exists()):
        raise ConfigError(f"{root} holds other files and no index; choose an empty or a new folder for the index")


def _remove_leftovers(layout: IndexLayout, draft: GenerationDraft) -> None:
    """Remove the files of killed writers, except those of a draft that continues; call it with the lock held."""
    continues = len(draft.journal) > 0
    spared = {layout.journal, *((draft.segment.folder, draft.files.folder, layout.pieces) if continues else ())}
    for folder in (layout.root, layout.segments, layout.generations):
        for path in set(folder.glob(f"{UNFINISHED}*")) - spared:
            _remove(path)
    numbers = {*layout.published_numbers(), *((draft.number,) if continues else ())}
    for path in layout.generations.glob("*/"):
        if is_generation_name(path.name) and int(path.name) not in numbers:
            _remove(path)
    try:
        manifests = [Manifest.read(layout.manifest(number)) for number in layout.published_numbers()]
    except IndexFormatError:
        return  # a manifest that cannot be read may name any segment: keep them all
    used_ids = {segment.id for manifest in manifests for segment in manifest.segments}
    remove_segments(layout, used_ids | ({draft.segment_id} if continues else set()))


def remove_segments(layout: IndexLayout, used_ids: Set[str]) -> None:
    """Remove the segments that no generation uses; call it with the lock held."""
    for path in layout.segments.glob("*/"):
        if is_segment_name(path.name) and path.name not in used_ids:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
