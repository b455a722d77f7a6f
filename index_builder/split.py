"""Split an index into shards, each an index of its own that keeps the statistics of the whole collection.

A shard has the vocabulary, the document frequencies and the counts of fields of the collection, and the posting weights
that the collection has for its passages. So a list of hits that is merged of the shards' lists is that of the whole
index, scores included.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dpr.array_files import create_array, open_array, save_array
from dpr.durable import make_folder
from dpr.errors import ConfigError, IndexFormatError
from dpr.search.filtered import MAX_VALUES
from dpr.search.resources import IndexResources, checked_analyzer
from dpr.sparse.counts import FILES, TermCounts, file_of
from dpr.store.draft import GenerationDraft, draft_generation
from dpr.store.facets import write_facets
from dpr.store.filtering import Facet, facet_of
from dpr.store.generation import read_current
from dpr.store.layout import IndexLayout
from dpr.store.manifest import Manifest, SegmentRecord, ShardRecord
from dpr.store.metadata import write_metadata
from dpr.store.passages import write_passages
from dpr.store.shard import refuse_shard
from dpr.types import Analyzer, BoolArray, FloatArray, Int32Array, Progress, no_progress
from index_builder.build import dated
from index_builder.current import Current
from index_builder.external import removing_tables
from index_builder.learned import merge_learned
from index_builder.publish import SegmentReference
from index_builder.update import write_remaining_dense
from index_builder.verify import verify_resources

MAX_SHARDS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class _ShardPlan:
    """The rows of a collection that become a shard, and what they are cut from."""

    shard: ShardRecord
    rows: range
    source: Current
    weights: Mapping[str, FloatArray]
    facets: Mapping[str, Facet]
    root: Path


def split(
    root: Path,
    shards: int,
    output: Path,
    analyzer: Analyzer | None = None,
    progress: Progress = no_progress,
    *,
    command: str = "",
) -> list[tuple[Path, Manifest]]:
    """Write the shards of an index into ``output``; return the folder and the manifest of each.

    Shards that an earlier call with the same index has finished stay as they are. A vector index other than the exact
    one is built anew for each shard.

    Raises:
        ConfigError: there are more shards than passages, or the index is a shard itself, or has several segments or
            deleted passages.
        IndexFormatError: there is no published index, or a shard failed its verification.
        IndexLockedError: another process is writing a shard.
    """
    source = Current.read(root)
    before = source.manifest
    _refuse(before, shards)
    collection = hashlib.sha256(json.dumps([before.to_json(), shards]).encode()).hexdigest()[:16]
    segment, files = before.segments[0], IndexLayout(root).generation(before.generation)
    weights = {
        name: open_array(files.weights(segment.id, name), np.float32, (segment.postings,)) for name in before.weights
    }
    facets = _facets(source)
    edges = [before.passages * number // shards for number in range(shards + 1)]
    written = []
    for number, (first, end) in enumerate(pairwise(edges), start=1):
        shard = ShardRecord(collection, number, shards, first, before.passages)
        plan = _ShardPlan(shard, range(first, end), source, weights, facets, root)
        folder = output / f"shard-{number}"
        written.append((folder, _write(plan, folder, checked_analyzer(before.analyzer, analyzer), progress, command)))
    return written


def _refuse(before: Manifest, shards: int) -> None:
    refuse_shard(before.shard)
    if not 1 <= shards <= min(MAX_SHARDS, before.passages):
        raise ConfigError(
            f"{shards} shards are asked of {before.passages:,} passages; choose from 1 to "
            f"{min(MAX_SHARDS, before.passages):,}"
        )
    if len(before.segments) > 1 or before.rows > before.passages:
        raise ConfigError("the index has several segments or deleted passages; run dpr-index compact before the split")


def _facets(source: Current) -> dict[str, Facet]:
    """Return what the passages of the collection have in each field."""
    columns, is_counted = source.passages.fields, np.ones(source.manifest.rows, dtype=bool)
    return {name: facet_of(columns.column(name), kind, is_counted, MAX_VALUES) for name, kind in columns.types.items()}


def _write(plan: _ShardPlan, folder: Path, analyzer: Analyzer, progress: Progress, command: str) -> Manifest:
    try:
        existing = read_current(folder)
    except IndexFormatError:  # there is none, or none that can be used
        existing = None
    if existing is not None and existing.shard == plan.shard:
        return existing
    before = plan.source.manifest
    with draft_generation(folder, f"{plan.shard.collection} {plan.shard.number}", removing_tables) as draft:
        if draft.published is not None:
            return draft.published
        record = _write_segment(plan, draft, progress)
        manifest = replace(
            before,
            generation=draft.number,
            passages=len(plan.rows),
            segments=(record,),
            files=draft.seal(progress),
            provenance=replace(before.provenance, command=command, **dated()),
            shard=plan.shard,
        )
        verify_resources(IndexResources(manifest, [draft.segment], draft.files, analyzer=analyzer), progress)
        draft.publish(manifest)
    return manifest


def _write_segment(plan: _ShardPlan, draft: GenerationDraft, progress: Progress) -> SegmentRecord:
    manifest, files = plan.source.manifest, draft.segment
    (whole,) = plan.source.segments
    is_outside = np.ones(whole.record.passages, dtype=bool)
    is_outside[plan.rows.start : plan.rows.stop] = False
    segment = SegmentReference(whole.record, whole.files, is_outside)
    passages = plan.source.passages
    progress(plan.shard.title, 0, len(plan.rows))
    write_passages(files.passages, (passages[row] for row in plan.rows))
    write_metadata(files.metadata, (passages[row].metadata for row in plan.rows), manifest.fields)
    postings = _write_postings(plan, draft)
    dense, vectors = write_remaining_dense([segment], manifest, draft, progress)
    layout = IndexLayout(plan.root).generation(manifest.generation)
    frequencies = open_array(layout.frequencies(whole.record.id), np.int64, (whole.record.terms,))
    save_array(draft.files.frequencies(draft.segment_id), frequencies)
    ranks = open_array(layout.id_rank, np.int32, (manifest.rows,))[plan.rows.start : plan.rows.stop]
    write_facets(draft.files.facets, plan.facets)
    save_array(draft.files.id_rank, np.argsort(np.argsort(ranks)).astype(np.int32))
    return SegmentRecord(
        draft.segment_id,
        len(plan.rows),
        whole.record.terms,
        postings,
        dense=dense,
        vectors=vectors,
        fields=manifest.fields,
        learned=merge_learned([segment], manifest, files, progress),
    )


def _write_postings(plan: _ShardPlan, draft: GenerationDraft) -> int:
    """Write the postings of a shard's rows, and their weights, a block at a time; return their number."""
    counts, folder = TermCounts.open(plan.source.segments[0].files.counts), draft.segment.counts
    frequencies = np.zeros(len(counts.vocabulary), dtype=np.int64)
    for block in counts.blocks():
        of_shard = block.terms[_is_within(block.rows, plan.rows)]
        if len(of_shard):
            numbers = np.bincount(of_shard - of_shard[0])
            frequencies[of_shard[0] : of_shard[0] + len(numbers)] += numbers
    indptr = np.concatenate(([0], np.cumsum(frequencies)))
    postings = int(indptr[-1])
    make_folder(folder)
    make_folder(draft.files.frequencies(draft.segment_id).parent)
    for name, content in (
        ("terms", counts.vocabulary.terms),
        ("term_offsets", counts.vocabulary.offsets),
        ("indptr", indptr),
        ("lengths", counts.lengths[plan.rows.start : plan.rows.stop]),
    ):
        save_array(file_of(folder, name), content)
    rows, term_counts = (create_array(file_of(folder, name), FILES[name], (postings,)) for name in ("rows", "counts"))
    weights = {
        name: create_array(draft.files.weights(draft.segment_id, name), np.float32, (postings,))
        for name in plan.weights
    }
    with ExitStack() as flushing:
        for array in (rows, term_counts, *weights.values()):
            flushing.callback(array.flush)
        _copy_postings(plan, counts, rows, term_counts, weights)
    return postings


def _copy_postings(
    plan: _ShardPlan,
    counts: TermCounts,
    rows: npt.NDArray[Any],
    term_counts: npt.NDArray[Any],
    weights: Mapping[str, FloatArray],
) -> None:
    written = 0
    for block in counts.blocks():
        is_within = _is_within(block.rows, plan.rows)
        span = slice(written, written + int(is_within.sum()))
        rows[span] = block.rows[is_within] - np.int32(plan.rows.start)
        term_counts[span] = counts.counts[block.span][is_within]
        for name, of_scheme in weights.items():
            of_scheme[span] = plan.weights[name][block.span][is_within]
        written = span.stop


def _is_within(values: Int32Array, rows: range) -> BoolArray:
    is_within: BoolArray = (values >= rows.start) & (values < rows.stop)
    return is_within
