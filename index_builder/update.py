"""Changes of a published index, each as the next generation: add, replace and delete passages, compact segments.

Segments never change. A deletion is a mark in the new generation. What depends on all passages is computed again for
all segments, so that scores equal those of a fresh build of the remaining passages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from dpr.array_files import create_vectors, open_vectors, save_array
from dpr.data.intake import UTF8_RULES, BadRows, ReadRules
from dpr.data.passages import read_corpus
from dpr.errors import ConfigError, DataError, IndexLockedError
from dpr.search.resources import checked_analyzer, recorded_index_type
from dpr.sparse.counts import TermCounts
from dpr.sparse.merge import merge_counts, without
from dpr.store.draft import GenerationDraft, draft_generation
from dpr.store.generation import read_current
from dpr.store.layout import SegmentFiles
from dpr.store.ledger import read_ledgers, write_ledger
from dpr.store.manifest import DenseRecord, Manifest, Provenance, SegmentRecord
from dpr.store.metadata import write_metadata
from dpr.store.passages import PassageStore, write_passages
from dpr.store.shard import refuse_shard
from dpr.store.windows import open_windows
from dpr.types import Analyzer, Encoder, FloatArray, Passage, Progress, WindowArray, no_progress
from dpr.unicode_form import composed
from index_builder.build import dated, provenance_of
from index_builder.chunking import ChunkOptions
from index_builder.corpus import Indexed, source_stamp
from index_builder.current import Current, RecordedEncoder, encoder_of
from index_builder.dense import DenseOptions, build_dense
from index_builder.external import removing_tables, segment_content
from index_builder.identity import run_identity
from index_builder.learned import merge_learned, recorded_encoders
from index_builder.local_sources import Source, path_of
from index_builder.publish import GenerationContext, SegmentReference, publish_generation
from index_builder.segment import SegmentPlan, write_segment
from index_builder.steps import Steps

SMALL_SEGMENT = 50_000
"""Number of vectors below which a segment is searched exactly, whatever the index type: that is fast enough."""

VECTORS_AT_A_TIME = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOptions:
    """What to add to an index.

    Attributes:
        sources: where the passages come from.
        index: the folder of the index.
        replaces: whether all passages that the index has of the documents of the sources are deleted first.
        deletes: ids of passages and documents that are deleted with them; those that the index has not are no error.
        rules: how sources are read.
        command: the command line, for the record.

    Raises:
        ConfigError: there is no source.
    """

    sources: tuple[Source, ...]
    index: Path
    replaces: bool = False
    deletes: tuple[str, ...] = ()
    rules: ReadRules = UTF8_RULES
    command: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("there is no source to add; name at least one")


def add(
    options: AddOptions,
    encoder: Encoder | RecordedEncoder | None,
    analyzer: Analyzer | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """Add the passages of sources to an index as the next generation; return its manifest.

    A passage that the index has with the same content is skipped and counted. With ``replaces``, all passages of the
    sources' documents are deleted first; a passage without a document counts as its own document.

    The encoder is loaded, and encoder and analyzer are compared with the index's, once the index is locked. Without an
    ``analyzer``, it is the recorded one.

    Raises:
        DataError: a source cannot be used, or has an id of the index with other content.
        NothingNewError: the index has all passages already; it stays as it is.
        ConfigError: an encoder is given, and the index has no vectors, or none is given, and it has some.
        ModelError: the encoder cannot be loaded, or gave something that is no vector.
        IndexFormatError: there is no published index, encoder or analyzer are not the index's, or what was built failed
            its verification.
        IndexLockedError: another process is writing the index.
    """
    before = read_current(options.index)
    stamps = [source_stamp(source, options.rules) for source in options.sources]
    arguments = [stamps, options.replaces, options.deletes, asdict(options.rules)]
    with _change(options.index, before, "add", arguments) as draft:
        if draft.published is not None:
            return draft.published
        index_encoder, index_analyzer = encoder_of(before, encoder), checked_analyzer(before.analyzer, analyzer)
        current, step = Current.read(options.index), Steps(draft)
        names = _documents(options.sources, options.rules) if options.replaces else set()
        replaced = current.passages.rows_of(names | set(map(composed, options.deletes))).tolist()
        segments = current.without(replaced)
        chunk = ChunkOptions.from_provenance(before.provenance)
        plan = SegmentPlan(
            options.sources,
            index_encoder,
            index_analyzer,
            dense=dense_options_of(before),
            chunk=chunk,
            exact_below=SMALL_SEGMENT,
            windows=before.windows,
            rules=options.rules,
            learned=recorded_encoders(before, encoder),
        )
        indexed = Indexed(current.passages.without(replaced), before.fields)
        record, corpus = write_segment(plan, draft, step, progress, indexed)
        provenance = provenance_of(options.command, corpus.sources, chunk, index_encoder)
        context = replace(_same_making(before, provenance, index_analyzer), encoder=index_encoder)
        segments = [*segments, SegmentReference(record, draft.segment)]
        return publish_generation(draft, segments, context, current.segment_file_records(segments), step, progress)


def delete(
    root: Path,
    names: Collection[str],
    analyzer: Analyzer | None = None,
    progress: Progress = no_progress,
    *,
    command: str = "",
) -> Manifest:
    """Delete passages by their ids or by their documents' ids; return the manifest of the next generation.

    Names are compared in NFC, as ids are stored.

    Raises:
        DataError: no passage and no document has one of the names, one is empty, or the index would be empty.
        IndexFormatError: there is no published index, or the new generation failed its verification.
        IndexLockedError: another process is writing the index.
    """
    if "" in names:  # the document id of each passage that is of no document
        raise DataError("an id to delete is empty; give ids that the index has")
    before = read_current(root)
    with _change(root, before, "delete", sorted(names)) as draft:
        if draft.published is not None:
            return draft.published
        current, step = Current.read(root), Steps(draft)
        rows = current.passages.rows_of({*names, *map(composed, names)}).tolist()
        _refuse_unknown(names, current.passages.get(rows))
        segments = current.without(rows)
        if not segments:
            raise DataError("this deletes all passages of the index; delete its folder instead")
        provenance = replace(before.provenance, command=command, sources=(), seconds={}, **dated())
        context = _same_making(before, provenance, analyzer)
        return publish_generation(draft, segments, context, current.segment_file_records(segments), step, progress)


def compact(
    root: Path, analyzer: Analyzer | None = None, progress: Progress = no_progress, *, command: str = ""
) -> Manifest:
    """Write all segments as one, without deleted passages; return the manifest of the next generation.

    Nothing is encoded or analysed again. An index of one segment without deletions stays as it is.

    Raises:
        IndexFormatError: there is no published index, or the new generation failed its verification.
        IndexLockedError: another process is writing the index.
    """
    before = read_current(root)
    if len(before.segments) == 1 and before.rows == before.passages:
        return before
    with _change(root, before, "compact", []) as draft:
        if draft.published is not None:
            return draft.published
        current, step = Current.read(root), Steps(draft)
        record = step("segment", SegmentRecord, lambda: _write_compacted(current, draft, progress))
        context = _same_making(before, replace(before.provenance, command=command, **dated()), analyzer)
        return publish_generation(draft, [SegmentReference(record, draft.segment)], context, {}, step, progress)


def _same_making(before: Manifest, provenance: Provenance, analyzer: Analyzer | None) -> GenerationContext:
    """Return what a generation of ``before``'s passages is made with: no encoder is needed."""
    index_analyzer = checked_analyzer(before.analyzer, analyzer)
    return GenerationContext(
        before.weights, before.encoder, provenance, None, index_analyzer, before.windows, before.fusion, before.learned
    )


def _write_compacted(current: Current, draft: GenerationDraft, progress: Progress) -> SegmentRecord:
    manifest, passages = current.manifest, current.passages
    progress("compact", 0, len(passages))
    write_passages(draft.segment.passages, passages)
    write_metadata(draft.segment.metadata, (passage.metadata for passage in passages), manifest.fields)
    write_ledger(draft.segment.ledger, read_ledgers(segment.files.ledger for segment in current.segments))
    counts = [TermCounts.open(segment.files.counts) for segment in current.segments]
    alive = [
        segment_counts if segment.is_deleted is None else without(segment_counts, segment.is_deleted)
        for segment_counts, segment in zip(counts, current.segments, strict=True)
    ]
    merged = merge_counts(alive, draft.segment.counts)
    dense, vectors = write_remaining_dense(current.segments, manifest, draft, progress)
    records = [segment.record for segment in current.segments]
    cut = [record.cut for record in records if record.cut is not None and not record.deleted]
    return SegmentRecord(
        draft.segment_id,
        len(passages),
        len(merged.vocabulary),
        len(merged.rows),
        dense=dense,
        cut=sum(cut) if len(cut) == len(records) else None,  # the record does not say whether deleted passages were cut
        vectors=vectors,
        fields=manifest.fields,
        learned=merge_learned(current.segments, manifest, draft.segment, progress),
    )


def write_remaining_dense(
    segments: Sequence[SegmentReference], manifest: Manifest, draft: GenerationDraft, progress: Progress
) -> tuple[DenseRecord | None, int]:
    """Write the vectors of the passages that are not deleted, and their index; return its record, and their number."""
    if manifest.encoder is None:
        return None, 0
    files = draft.segment
    vectors, windows = _write_remaining_vectors(segments, files, manifest.encoder.dimension, progress)
    content = segment_content(draft.segment_id, files, vectors, windows)
    return build_dense(dense_options_of(manifest), content, files.dense, progress), len(vectors)


def dense_options_of(manifest: Manifest) -> DenseOptions:
    """Return the options of the largest segment's vector index."""
    if manifest.dense is None:
        return DenseOptions()
    index_type = recorded_index_type(manifest.dense)
    return DenseOptions(index_type.name, index_type.parameters)


def _write_remaining_vectors(
    segments: Sequence[SegmentReference], files: SegmentFiles, dimension: int, progress: Progress
) -> tuple[FloatArray, WindowArray | None]:
    """Write and return the vectors, (V, D), and windows of the passages that are not deleted."""
    windows = [windows_of(segment) for segment in segments]
    rows_of_segments = [
        np.arange(len(of_segment))
        if segment.is_deleted is None
        else np.flatnonzero(~segment.is_deleted[of_segment[:, 0]])
        for segment, of_segment in zip(segments, windows, strict=True)
    ]
    total, written_rows, passages = sum(map(len, rows_of_segments)), 0, 0
    vectors = create_vectors(files.vectors, total, dimension)
    new_windows: WindowArray = np.empty((total, 3), dtype=np.int32)
    for segment, of_segment, rows in zip(segments, windows, rows_of_segments, strict=True):
        source = open_vectors(segment.files.vectors, segment.record.vectors, dimension)
        owners, new_owners = np.unique(of_segment[rows, 0], return_inverse=True)
        new_windows[written_rows : written_rows + len(rows)] = of_segment[rows]
        new_windows[written_rows : written_rows + len(rows), 0] = passages + new_owners
        passages += len(owners)
        for start in range(0, len(rows), VECTORS_AT_A_TIME):
            row_block = rows[start : start + VECTORS_AT_A_TIME]
            vectors[written_rows : written_rows + len(row_block)] = source[row_block]
            written_rows += len(row_block)
            progress("compact", written_rows, total)
    vectors.flush()
    if total == passages:
        return vectors, None
    save_array(files.windows, new_windows)
    return vectors, open_windows(files.windows, total)


def windows_of(segment: SegmentReference) -> WindowArray:
    """Return the row, start and end of each vector's text, (V, 3)."""
    record = segment.record
    if record.has_windows:
        return open_windows(segment.files.windows, record.vectors)
    ends = PassageStore.open(segment.files.passages).text_lengths()
    rows = np.arange(record.passages, dtype=np.int32)
    return np.stack([rows, np.zeros_like(rows), ends], axis=1)


@contextmanager
def _change(root: Path, before: Manifest, name: str, arguments: object) -> Iterator[GenerationDraft]:
    """Draft the generation after ``before``, for a change of that name.

    Raises:
        ConfigError: the index is a shard.
        IndexLockedError: another process is writing the index, or has just done so.
    """
    refuse_shard(before.shard)
    identity = run_identity([name, before.name, before.provenance.created_utc, arguments])
    with draft_generation(root, identity, removing_tables) as draft:
        if draft.published is None and read_current(root).generation != before.generation:
            draft.discard()
            raise IndexLockedError(f"another process has just changed the index {root}; run the command again")
        yield draft


def _documents(sources: Sequence[Source], rules: ReadRules) -> set[str]:
    """Return the id of each document of the sources; a passage without a document counts as its own."""
    silent = BadRows(rules.skip_bad_rows, warns=False)  # the reading that indexes them warns
    return {passage.document_id or passage.id for passage in read_corpus(map(path_of, sources), rules, silent)}


def _refuse_unknown(names: Collection[str], passages: Sequence[Passage]) -> None:
    names_in_index = {composed(name) for passage in passages for name in (passage.id, passage.document_id)}
    if unknown := sorted(name for name in set(names) if composed(name) not in names_in_index):
        more = f", and {len(unknown) - 3:,} more" if len(unknown) > 3 else ""
        ids = ", ".join(map(repr, unknown[:3]))
        raise DataError(f"the index has no passage or document {ids}{more}; nothing was deleted; give ids that it has")
