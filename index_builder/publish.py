"""Segments to a generation: write what depends on all passages, verify, publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dpr.array_files import save_array
from dpr.durable import make_folder
from dpr.errors import IndexFormatError
from dpr.search.resources import IndexResources
from dpr.sparse.collection import collection_statistics
from dpr.sparse.counts import TermCounts
from dpr.sparse.scheme import SCHEMES
from dpr.store.draft import GenerationDraft
from dpr.store.layout import SegmentFiles
from dpr.store.manifest import (
    FORMAT_VERSION,
    AnalyzerRecord,
    EncoderRecord,
    FileRecord,
    FusionRecord,
    LearnedRecord,
    Manifest,
    Provenance,
    SegmentRecord,
    WeightsRecord,
)
from dpr.store.passages import PassageStore
from dpr.store.windows import WindowRule
from dpr.types import Analyzer, BoolArray, Encoder, Progress
from index_builder.steps import Steps
from index_builder.verify import verify_resources


@dataclass(frozen=True, slots=True, eq=False)
class SegmentReference:
    """A segment of a generation; ``is_deleted`` (P,) marks the passages deleted in it; None: no passage is."""

    record: SegmentRecord
    files: SegmentFiles
    is_deleted: BoolArray | None = None


@dataclass(frozen=True, slots=True)
class GenerationContext:
    """The context of a new generation: weighting schemes, models, analyzer, windows, fusion and provenance.

    ``encoder`` is None if no passage is encoded now; ``encoder_record`` then names the encoder of the vectors.
    """

    weights: Mapping[str, WeightsRecord]
    encoder_record: EncoderRecord | None
    provenance: Provenance
    encoder: Encoder | None
    analyzer: Analyzer
    windows: WindowRule | None
    fusion: FusionRecord | None
    learned: Mapping[str, LearnedRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CollectionCounts:
    """The number of passages of a generation and of their different terms."""

    passages: int
    terms: int


def publish_generation(
    draft: GenerationDraft,
    segments: Sequence[SegmentReference],
    context: GenerationContext,
    segment_file_records: Mapping[str, FileRecord],
    step: Steps,
    progress: Progress,
) -> Manifest:
    """Write the files of a draft's generation, verify it, and publish it; return its manifest.

    ``segment_file_records`` are the records of the files of existing segments.

    Raises:
        IndexFormatError: the new generation failed its verification.
    """
    collection_counts = step(
        "weights", CollectionCounts, lambda: _write_collection(draft, segments, context.weights, progress)
    )
    with step.timed("seal"):
        files = draft.seal(progress)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        generation=draft.number,
        passages=collection_counts.passages,
        terms=collection_counts.terms,
        segments=tuple(
            replace(segment.record, deleted=0 if segment.is_deleted is None else int(segment.is_deleted.sum()))
            for segment in segments
        ),
        encoder=context.encoder_record,
        analyzer=AnalyzerRecord(context.analyzer.name, context.analyzer.version),
        weights=context.weights,
        files={**segment_file_records, **files},
        provenance=context.provenance,
        windows=context.windows,
        fusion=context.fusion,
        learned=context.learned,
    )
    with step.timed("verify"):
        files_of_segments = [segment.files for segment in segments]
        resources = IndexResources(manifest, files_of_segments, draft.files, context.encoder, analyzer=context.analyzer)
        try:
            verify_resources(resources, progress)
        except IndexFormatError:
            draft.discard()  # the wrong piece is unknown, so no piece may be continued from
            raise
    manifest = replace(manifest, provenance=replace(context.provenance, seconds=step.seconds))
    draft.publish(manifest)
    return manifest


def _write_collection(
    draft: GenerationDraft,
    segments: Sequence[SegmentReference],
    weights: Mapping[str, WeightsRecord],
    progress: Progress,
) -> CollectionCounts:
    """Rank the ids, count the terms of all segments together, and weigh every posting by every scheme."""
    total = len(segments) * len(weights)
    progress("weights", 0, total)
    passages = PassageStore.open([segment.files.passages for segment in segments])
    deletions = [
        np.zeros(segment.record.passages, dtype=bool) if segment.is_deleted is None else segment.is_deleted
        for segment in segments
    ]
    save_array(draft.files.id_rank, passages.rank_ids(np.concatenate(deletions)))
    counts = [TermCounts.open(segment.files.counts) for segment in segments]
    collections, terms = collection_statistics(counts, [segment.is_deleted for segment in segments])
    for number, (segment, of_segment, collection) in enumerate(zip(segments, counts, collections, strict=True)):
        make_folder(draft.files.frequencies(segment.record.id).parent)
        save_array(draft.files.frequencies(segment.record.id), collection.frequencies)
        for count, (name, record) in enumerate(weights.items(), start=1):
            weighed = SCHEMES[record.scheme].weights(of_segment, collection, **record.parameters)
            save_array(draft.files.weights(segment.record.id, name), weighed)
            progress("weights", number * len(weights) + count, total)
    return CollectionCounts(collections[0].passages, terms)
