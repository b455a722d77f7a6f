"""Verify an index: each check proves one property, and its failure is one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpr.dense.index_types import EXACT
from dpr.search.open import open_index
from dpr.search.resources import IndexResources, SegmentResources, recorded_index_type
from dpr.store.integrity import check_contents
from dpr.store.manifest import Manifest
from dpr.store.passages import PassageStore
from dpr.types import Analyzer, BoolArray, FloatArray, IntArray, Progress, TopK, no_progress
from index_builder.external import check_tables, external_segments
from index_builder.learned_checks import check_learned, require
from index_builder.recall import Probes, spread

PROBES = 8
PROBE_DEPTH = 10
SCORE_TOLERANCE = 1e-4
RECALL_TOLERANCE = 0.01
"""Other machines round differently, so that a search of a graph may differ slightly."""

VECTORS_AT_A_TIME = 65536


@dataclass(frozen=True, slots=True)
class Verification:
    """The checks that a generation passed, each with its finding."""

    generation: str
    checks: Mapping[str, str]


def verify_index(root: Path, analyzer: Analyzer | None = None, progress: Progress = no_progress) -> Verification:
    """Check the published generation of an index, reading every file whole.

    Raises:
        IndexFormatError: at the first check that fails.
    """
    resources = open_index(root, analyzer=analyzer, verify="sizes").resources
    checks = {"checksums": _check_files(root, resources.manifest, progress)}
    checks |= verify_resources(resources, progress, with_recall=True)
    return Verification(resources.manifest.name, checks)


def verify_resources(
    resources: IndexResources, progress: Progress = no_progress, with_recall: bool = False
) -> dict[str, str]:
    """Check that a generation's files agree and that searches find its passages; return what each check found.

    ``with_recall`` also checks that approximate vector indexes reach their recorded recall, by an exact search over all
    vectors; a change of some passages does not need that.

    Raises:
        IndexFormatError: at the first check that fails.
    """
    has_vectors = resources.manifest.encoder is not None
    checks = SPARSE_CHECKS | (DENSE_CHECKS if has_vectors else {})
    if resources.manifest.learned:
        checks = checks | {"learned lists": check_learned}
    if has_vectors and with_recall:
        checks = checks | {"dense recall": _check_recall}
        if external_segments(resources.manifest):
            checks = checks | {"database": check_tables}
    passed: dict[str, str] = {}
    for name, check in checks.items():
        progress("verify", len(passed), len(checks))
        passed[name] = check(resources)
    progress("verify", len(passed), len(checks))
    return passed


def _check_files(root: Path, manifest: Manifest, progress: Progress) -> str:
    for count, name in enumerate(manifest.files, start=1):
        check_contents(root, manifest.files, [name])
        progress("checksums", count, len(manifest.files))
    return f"{len(manifest.files)} files, {manifest.size_bytes:,} bytes"


def _check_passages(resources: IndexResources) -> str:
    manifest, row_count = resources.manifest, resources.passages.row_count
    require(row_count == manifest.rows, f"{row_count:,} passages are stored, but the manifest says {manifest.rows:,}")
    require(
        len(resources.passages) == manifest.passages,
        f"{len(resources.passages):,} passages are not deleted, but the manifest says {manifest.passages:,}",
    )
    for segment in resources.segments:
        deleted = int((segment.id_rank < 0).sum())
        expected = segment.record.deleted
        require(
            deleted == expected, f"{deleted:,} passages of a segment are deleted, but the manifest says {expected:,}"
        )
    segments = len(resources.segments)
    return f"{len(resources.passages):,} passages in {segments} segment{'s' if segments > 1 else ''}"


def _check_fields(resources: IndexResources) -> str:
    """Each segment has the recorded fields; fields that all passages with them are deleted of stay recorded."""
    for segment in resources.segments:
        actual, expected = PassageStore.open(segment.files.passages).fields.types, dict(segment.record.fields)
        require(
            actual == expected,
            f"a segment has the fields {_listed(actual)}, but the manifest says {_listed(expected)}",
        )
    fields = resources.manifest.fields
    return _listed(fields) if fields else "no fields"


def _listed(fields: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({type_name})" for name, type_name in fields.items()) or "(none)"


def _check_ids(resources: IndexResources) -> str:
    """Ids are unique and ``id_rank`` sorts them: in its order, each id is above the one before."""
    alive = resources.passages.alive
    order = alive[np.argsort(resources.id_rank[alive])]
    is_permutation = np.array_equal(resources.id_rank[order], np.arange(len(order)))
    require(is_permutation, "id_rank.npy does not give each passage a rank of its own")
    previous = None
    for row in order.tolist():
        passage_id = resources.passages.id(row)
        require(previous is None or previous < passage_id, f"the id {passage_id!r} comes twice, or out of its rank")
        previous = passage_id
    return f"{len(order):,} unique ids"


def _check_counts(resources: IndexResources) -> str:
    for segment in resources.segments:
        counts, record = segment.counts(), segment.record
        sizes = {
            "passages": (len(counts.lengths), record.passages),
            "terms": (len(counts.vocabulary), record.terms),
            "postings": (len(counts.rows), record.postings),
        }
        for unit, (actual, expected) in sizes.items():
            require(actual == expected, f"{actual:,} {unit} are counted, but the manifest says {expected:,}")
        require(
            bool((segment.frequencies() <= resources.manifest.collection_passages).all()),
            "a term has a higher document frequency than there are passages",
        )
    postings = sum(segment.record.postings for segment in resources.segments)
    return f"{resources.manifest.terms:,} terms, {postings:,} postings"


def _check_weights(resources: IndexResources) -> str:
    for segment in resources.segments:
        for name, weights in segment.weights.items():
            require(bool(np.isfinite(weights()).all()), f"a weight of {name} is not a finite number")
    return f"{', '.join(resources.manifest.weights)} finite"


def _check_terms_find_their_passages(resources: IndexResources) -> str:
    """Each term of a few passages, searched alone, finds its passage, or passages of at least that posting's weight."""
    alive = resources.passages.alive
    probes = alive[spread(len(alive), PROBES)].tolist()
    searched_terms = 0
    texts = (passage.titled() for passage in resources.passages.get(probes))
    for row, terms in zip(probes, resources.analyzer().batch(texts), strict=True):
        unique = sorted(set(terms))
        segment, first = _segment_of(resources, row)
        postings = _postings(segment, unique, row - first, resources.passages.id(row))
        for name, weights in segment.weights.items():
            if unique:
                top = resources.sparse_indexes[name]().search([[term] for term in unique], PROBE_DEPTH)
                missed = ~_are_found(top, row, weights()[postings])
                require(
                    not missed.any(), f"{name} does not find passage {resources.passages.id(row)!r} by its own terms"
                )
        searched_terms += len(unique)
    return f"{len(probes)} passages by {searched_terms:,} terms"


def _segment_of(resources: IndexResources, row: int) -> tuple[SegmentResources, int]:
    """Return the segment that a row is in, and the segment's first row."""
    first = 0
    for segment in resources.segments:
        if row < first + segment.record.passages:
            return segment, first
        first += segment.record.passages
    raise IndexError(f"row {row} is outside of the {first} rows")


def _postings(segment: SegmentResources, terms: Sequence[str], row: int, passage_id: str) -> IntArray:
    """Return the position of each term's posting for a row of a segment, (len(terms),)."""
    counts = segment.counts()
    postings = []
    for term, number in zip(terms, counts.vocabulary.lookup(terms).tolist(), strict=True):
        require(number >= 0, f"the analyzer's term {term!r} of passage {passage_id!r} was not counted")
        first, end = counts.indptr[number : number + 2].tolist()
        posting = first + int(np.searchsorted(counts.rows[first:end], row))
        require(
            posting < end and counts.rows[posting] == row,
            f"the term {term!r} has no posting for passage {passage_id!r}, whose text has it",
        )
        postings.append(posting)
    return np.array(postings, dtype=np.int64)


def _check_vectors(resources: IndexResources) -> str:
    for segment in resources.segments:
        vectors = segment.vectors()
        for start in range(0, len(vectors), VECTORS_AT_A_TIME):
            require(bool(np.isfinite(vectors[start : start + VECTORS_AT_A_TIME]).all()), "a vector is not finite")
    return f"{resources.manifest.vectors:,} vectors of {resources.segments[0].vectors().shape[1]} numbers"


def _check_windows(resources: IndexResources) -> str:
    """Each passage has a vector; the windows of a long one follow each other from its start to its end."""
    long_passages = 0
    for segment in resources.segments:
        windows, record = segment.windows(), segment.record
        if windows is None:
            require(record.vectors == record.passages, "there are fewer vectors than passages")
            continue
        rows, first, counts = np.unique(windows[:, 0], return_index=True, return_counts=True)
        require(
            np.array_equal(rows, np.arange(record.passages)) and bool((np.diff(windows[:, 0]) >= 0).all()),
            "windows.npy does not give each passage its vectors, in the order of the passages",
        )
        is_follower = np.ones(len(windows), dtype=np.bool_)
        is_follower[first] = False
        starts, ends = windows[:, 1], windows[:, 2]
        steps_on = (np.diff(starts) > 0) & (np.diff(ends) > 0)
        require(
            bool((starts >= 0).all() and (starts <= ends).all() and steps_on[is_follower[1:]].all()),
            "the windows of a passage do not follow each other",
        )
        lengths = PassageStore.open(segment.files.passages).text_lengths()
        require(bool((ends <= lengths[windows[:, 0]]).all()), "a window ends after its passage")
        long_passages += int((counts > 1).sum())
    return f"{long_passages:,} passages in windows"


def _check_vectors_find_their_passages(resources: IndexResources) -> str:
    """The vectors of a few passages find their passage, or passages with at least as high an inner product.

    An approximate index type may miss some of them, but not most.
    """
    alive = resources.passages.alive
    probes = alive[spread(len(alive), PROBES)].astype(np.int64)
    positions = [(segment, row - first) for row in probes.tolist() for segment, first in [_segment_of(resources, row)]]
    vectors = np.stack([segment.vectors()[_first_vector(segment, row)] for segment, row in positions])  # (probes, D)
    is_found = _are_found(resources.vector_index().search(vectors, PROBE_DEPTH), probes, np.square(vectors).sum(axis=1))
    index_type = recorded_index_type(resources.manifest.dense) if resources.manifest.dense else EXACT
    allowed = 0 if index_type.is_exact else len(probes) // 2
    missed = [resources.passages.id(int(row)) for row in probes[~is_found]]
    require(
        len(missed) <= allowed, f"the {index_type.name} index does not find {', '.join(missed)} by their own vectors"
    )
    return f"{is_found.sum()} of {len(probes)} passages"


def _first_vector(segment: SegmentResources, row: int) -> int:
    """Return the position of a passage's vector in its segment, or of its first window."""
    windows = segment.windows()
    return row if windows is None else int(np.searchsorted(windows[:, 0], row))


def _check_recall(resources: IndexResources) -> str:
    """Approximate vector indexes reach their recorded recall, deleted passages included."""
    shares = []
    for segment in resources.segments:
        dense = segment.record.dense
        if dense is not None and dense.recall is not None:
            recall = Probes(segment.vectors()).recall_at(10, segment.vector_index_with_deleted())
            least = dense.recall - RECALL_TOLERANCE
            require(
                recall >= least,
                f"the {dense.kind} index has a recall of {recall:.1%}, but its record says {dense.recall:.1%}",
            )
            shares.append(f"{recall:.1%}")
    return f"{', '.join(shares)} of the nearest ten" if shares else "exact"


def _are_found(top: TopK, rows: IntArray | int, own_scores: FloatArray) -> BoolArray:
    """Tell for each question, (Q,), whether its row is among the hits, or all hits score at least as high."""
    lowest = top.scores[:, -1]  # -inf where there are fewer hits than asked for
    is_hit = (top.rows == np.reshape(rows, (-1, 1))).any(axis=1)
    is_found: BoolArray = is_hit | (lowest >= own_scores - SCORE_TOLERANCE * np.maximum(1.0, np.abs(own_scores)))
    return is_found


SPARSE_CHECKS: dict[str, Callable[[IndexResources], str]] = {
    "passages": _check_passages,
    "fields": _check_fields,
    "ids": _check_ids,
    "counts": _check_counts,
    "weights": _check_weights,
    "sparse probes": _check_terms_find_their_passages,
}

DENSE_CHECKS: dict[str, Callable[[IndexResources], str]] = {
    "vectors": _check_vectors,
    "windows": _check_windows,
    "dense probes": _check_vectors_find_their_passages,
}
