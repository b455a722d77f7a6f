"""Segments to a generation: what depends on all passages together, and the publication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
class Member:
    """A segment of a generation; ``is_deleted`` (P,) tells the passages that the generation does not have."""

    record: SegmentRecord
    files: SegmentFiles
    is_deleted: BoolArray | None = None


@dataclass(frozen=True, slots=True)
class Making:
    """What a generation is made with: how postings are weighed, whose vectors and terms they are, how it came about.

    Without an ``encoder`` at hand, what ``encoder_record`` names made the vectors. ``fusion`` is what searches fuse by.
    """

    weights: Mapping[str, WeightsRecord]
    encoder_record: EncoderRecord | None
    provenance: Provenance
    encoder: Encoder | None
    analyzer: Analyzer
    windows: WindowRule | None
    fusion: FusionRecord | None


@dataclass(frozen=True, slots=True)
class Collected:
    """What counting all passages together gave: how many there are, and their different terms."""

    passages: int
    terms: int


def publish_generation(
    draft: GenerationDraft,
    members: Sequence[Member],
    making: Making,
    kept_files: Mapping[str, FileRecord],
    step: Steps,
    progress: Progress,
) -> Manifest:
    """Write what a draft's generation says of its segments, verify all, and publish it; return its manifest.

    ``kept_files`` are the records of the files of segments that are there already.

    Raises:
        IndexFormatError: what was built failed its verification.
    """
    collected = step("weights", Collected, lambda: _collect(draft, members, making.weights, progress))
    with step.timed("seal"):
        files = draft.seal(progress)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        generation=draft.number,
        passages=collected.passages,
        terms=collected.terms,
        segments=tuple(
            replace(member.record, deleted=0 if member.is_deleted is None else int(member.is_deleted.sum()))
            for member in members
        ),
        encoder=making.encoder_record,
        analyzer=AnalyzerRecord(making.analyzer.name, making.analyzer.version),
        weights=making.weights,
        files={**kept_files, **files},
        provenance=making.provenance,
        windows=making.windows,
        fusion=making.fusion,
    )
    with step.timed("verify"):
        segments = [member.files for member in members]
        _verify(
            IndexResources(manifest, segments, draft.files, making.encoder, analyzer=making.analyzer), draft, progress
        )
    manifest = replace(manifest, provenance=replace(making.provenance, seconds=step.seconds))
    draft.publish(manifest)
    return manifest


def _collect(
    draft: GenerationDraft, members: Sequence[Member], weights: Mapping[str, WeightsRecord], progress: Progress
) -> Collected:
    """Rank the ids, count the terms of all segments together, and weigh every posting by every scheme."""
    total = len(members) * len(weights)
    progress("weights", 0, total)
    passages = PassageStore.open([member.files.passages for member in members])
    gone = [
        np.zeros(member.record.passages, dtype=bool) if member.is_deleted is None else member.is_deleted
        for member in members
    ]
    save_array(draft.files.id_rank, passages.rank_ids(np.concatenate(gone)))
    counts = [TermCounts.open(member.files.counts) for member in members]
    collections, terms = collection_statistics(counts, [member.is_deleted for member in members])
    for number, (member, of_segment, collection) in enumerate(zip(members, counts, collections, strict=True)):
        make_folder(draft.files.frequencies(member.record.id).parent)
        save_array(draft.files.frequencies(member.record.id), collection.frequencies)
        for done, (name, record) in enumerate(weights.items(), start=1):
            weighed = SCHEMES[record.scheme].weights(of_segment, collection, **record.parameters)
            save_array(draft.files.weights(member.record.id, name), weighed)
            progress("weights", number * len(weights) + done, total)
    return Collected(collections[0].passages, terms)


def _verify(parts: IndexResources, draft: GenerationDraft, progress: Progress) -> None:
    try:
        verify_resources(parts, progress)
    except IndexFormatError:
        draft.discard()  # which piece is wrong is not known: none of them is gone on with
        raise
