"""What an index has in a database: remove tables with the files that name them, and load tables that are absent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpr.array_files import open_vectors
from dpr.dense.external import ExternalRecord, forget_record, read_record, records_written
from dpr.dense.index_type import IndexType, SegmentContent
from dpr.dense.index_types import INDEX_TYPES
from dpr.errors import ConfigError, DPRError
from dpr.search.filtered import PassageColumns
from dpr.search.resources import IndexResources, recorded_index_type
from dpr.store.generation import read_current, remove_generations
from dpr.store.layout import IndexLayout, SegmentFiles
from dpr.store.lock import writer_lock
from dpr.store.manifest import Manifest, SegmentRecord
from dpr.store.passages import PassageStore
from dpr.store.windows import open_windows
from dpr.types import FloatArray, Progress, WindowArray, no_progress

logger = logging.getLogger(__name__)


def segment_content(name: str, files: SegmentFiles, vectors: FloatArray, windows: WindowArray | None) -> SegmentContent:
    """Return what an index may keep of a segment whose passages are written."""
    columns = PassageColumns(PassageStore.open(files.passages))
    return SegmentContent(vectors, name, windows, columns.types, columns.column)


@contextmanager
def removing_tables(root: Path) -> Iterator[None]:
    """Drop the tables of an index that no file names any more when the block ends; call it with the lock held.

    A database that cannot be reached is no error: a warning names the tables that stay.
    """
    before = _records(root)
    try:
        yield
    finally:
        gone = (before | records_written(root)) - _records(root)
        for record in sorted(gone, key=lambda record: record.table):
            try:
                INDEX_TYPES[record.kind].discard(record.table)
                forget_record(record)
            except (DPRError, KeyError) as error:
                logger.warning("the table %s is not needed any more; drop it by hand (%s)", record.table, error)


def prune(root: Path, keep: int) -> list[str]:
    """Remove all generations but the published one and the ``keep`` newest others; return the names of the removed.

    Raises:
        IndexFormatError: the published generation cannot be used.
        IndexLockedError: another process is writing the index.
    """
    return remove_generations(root, keep, removing_tables)


def external_segments(manifest: Manifest) -> list[tuple[SegmentRecord, IndexType]]:
    """Return the segments of a generation whose vectors a database searches."""
    return [
        (record, index_type)
        for record in manifest.segments
        if record.dense is not None and (index_type := recorded_index_type(record.dense)).is_external
    ]


def check_tables(resources: IndexResources) -> str:
    """Compare the tables of a generation with its vectors; return what was compared.

    Raises:
        IndexFormatError: a table has other vectors.
        StoreError: the database cannot be reached, or refuses.
    """
    index_types = {record.id: index_type for record, index_type in external_segments(resources.manifest)}
    return ", ".join(
        index_types[segment.record.id].check(segment.vectors(), segment.files.dense)
        for segment in resources.segments
        if segment.record.id in index_types
    )


def load_tables(root: Path, progress: Progress = no_progress) -> list[str]:
    """Load the tables of the published generation that the database lacks, from the files; return their segments.

    A table that is there to its end is left as it is. Nothing is encoded.

    Raises:
        ConfigError: no database holds vectors of the index, or none is named.
        IndexFormatError: there is no published index, or a file of it cannot be used.
        IndexLockedError: another process is writing the index.
        StoreError: the database cannot be reached, or refuses.
    """
    manifest, layout = read_current(root), IndexLayout(root)
    external = external_segments(manifest)
    if not external or manifest.encoder is None:
        raise ConfigError(f"no database holds vectors of the index {root}; there is nothing to load")
    with writer_lock(layout.lock):
        for record, index_type in external:
            files = layout.segment(record.id)
            vectors = open_vectors(files.vectors, record.vectors, manifest.encoder.dimension)
            windows = open_windows(files.windows, record.vectors) if record.has_windows else None
            index_type.build_segment(segment_content(record.id, files, vectors, windows), files.dense, progress)
    return [record.id for record, _ in external]


def _records(root: Path) -> set[ExternalRecord]:
    folders = map(SegmentFiles, IndexLayout(root).segments.glob("*"))
    records = (read_record(path) for files in folders for path in files.dense_files())
    return {record for record in records if record is not None}
