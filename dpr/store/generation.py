"""The published generations of an index: read them, publish one again, change a manifest, remove old ones."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from dpr.durable import write_atomically
from dpr.errors import IndexFormatError
from dpr.store.current import current_number, write_current
from dpr.store.draft import Beside, finish_publication, nothing_beside, remove_segments, segment_id_of
from dpr.store.layout import IndexLayout, generation_name
from dpr.store.lock import writer_lock
from dpr.store.manifest import Manifest

logger = logging.getLogger(__name__)


def read_current(root: Path) -> Manifest:
    """Return the manifest of the published generation.

    Raises:
        IndexFormatError: there is no published generation, or its manifest cannot be used.
    """
    return Manifest.read(IndexLayout(root).manifest(current_number(root)))


def read_all(root: Path) -> list[Manifest]:
    """Return the manifests of all generations on the disk that can be used, oldest first.

    A generation that is damaged or of another format version is skipped with a warning.

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


def publish_again(root: Path, number: int) -> Manifest:
    """Publish a generation that is on the disk, older or newer than the published one; return its manifest.

    Raises:
        IndexFormatError: there is no such generation, or its manifest cannot be used.
        IndexLockedError: another process is writing the index.
    """
    layout = IndexLayout(root)
    current_number(root)
    with writer_lock(layout.lock):
        finish_publication(layout)
        if number not in layout.published_numbers():
            names = ", ".join(map(generation_name, layout.published_numbers()))
            raise IndexFormatError(f"{root} has no generation {generation_name(number)}; choose from {names}")
        manifest = Manifest.read(layout.manifest(number))
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
        finish_publication(layout)
        manifest = change(read_current(root))
        write_atomically(layout.manifest(manifest.generation), manifest.to_json())
    return manifest


def remove_generations(root: Path, keep: int, beside: Beside = nothing_beside) -> list[str]:
    """Remove all generations but the published one and the ``keep`` newest others; return the names of the removed.

    Generations that are damaged or of another format version are removed in any case. Segments that no remaining
    generation uses are removed, too, except the segment of an unfinished build. A process that has a removed generation
    open can read it until it closes it. ``beside`` is as in `dpr.store.draft.draft_generation`.

    Raises:
        IndexFormatError: the published generation cannot be used.
        IndexLockedError: another process is writing the index.
    """
    layout = IndexLayout(root)
    current_number(root)
    with writer_lock(layout.lock), beside(root):
        unfinished = finish_publication(layout)
        published = read_current(root).generation
        usable = _usable(layout)
        unpublished = [number for number in usable if number != published]
        remaining = {published, *unpublished[max(0, len(unpublished) - keep) :]}
        removed = [number for number in layout.published_numbers() if number not in remaining]
        for number in removed:
            layout.manifest(number).unlink()
            shutil.rmtree(layout.generation(number).folder, ignore_errors=True)
        used_ids = {segment.id for number in remaining for segment in usable[number].segments}
        remove_segments(layout, used_ids | ({segment_id_of(unfinished)} if unfinished else set()))
    return [generation_name(number) for number in removed]
