"""Does an index hold what it says? Each check proves one thing, and its failure is one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpr.dense.index_types import EXACT
from dpr.errors import IndexFormatError
from dpr.search.open import open_index
from dpr.search.resources import IndexResources, SegmentResources, recorded_index_type
from dpr.store.integrity import check_contents
from dpr.store.manifest import Manifest
from dpr.store.passages import PassageStore
from dpr.types import Analyzer, BoolArray, FloatArray, IntArray, Progress, TopK, no_progress
from index_builder.recall import Probes, spread

PROBES = 8
PROBE_DEPTH = 10
SCORE_TOLERANCE = 1e-4
RECALL_TOLERANCE = 0.01
"""Other machines round otherwise, which makes a search of a graph go another way now and then."""

VECTORS_AT_A_TIME = 65536


@dataclass(frozen=True, slots=True)
class Check:
    """A check that passed, and what it saw."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The checks that a generation passed."""

    generation: str
    checks: tuple[Check, ...]


def verify_index(root: Path, analyzer: Analyzer | None = None, progress: Progress = no_progress) -> Verification:
    """Check the published generation of an index, reading every file whole.

    Raises:
        IndexFormatError: at the first check that fails.
    """
    parts = open_index(root, analyzer=analyzer, verify="sizes").resources
    files = _check_files(root, parts.manifest, progress)
    return Verification(parts.manifest.name, (files, *verify_resources(parts, progress, with_recall=True)))


def verify_resources(
    parts: IndexResources, progress: Progress = no_progress, with_recall: bool = False
) -> tuple[Check, ...]:
    """Check that the parts of a generation agree with each other and that searches find what is there.

    ``with_recall``, also that kinds that approximate find as much as when they were built: an exact search over all
    vectors, which a change of some passages does not ask for.

    Raises:
        IndexFormatError: at the first check that fails.
    """
    has_vectors = parts.manifest.encoder is not None
    checks = SPARSE_CHECKS | (DENSE_CHECKS if has_vectors else {})
    if has_vectors and with_recall:
        checks = checks | {"dense recall": _check_recall}
    passed: list[Check] = []
    for name, check in checks.items():
        progress("verify", len(passed), len(checks))
        passed.append(Check(name, check(parts)))
    progress("verify", len(passed), len(checks))
    return tuple(passed)


def _check_files(root: Path, manifest: Manifest, progress: Progress) -> Check:
    for done, name in enumerate(manifest.files, start=1):
        check_contents(root, manifest.files, [name])
        progress("checksums", done, len(manifest.files))
    return Check("checksums", f"{len(manifest.files)} files, {manifest.size_bytes:,} bytes")


def _check_passages(parts: IndexResources) -> str:
    manifest, found = parts.manifest, parts.passages.row_count
    _require(found == manifest.rows, f"{found:,} passages are stored, but the manifest says {manifest.rows:,}")
    _require(
        len(parts.passages) == manifest.passages,
        f"{len(parts.passages):,} passages are not deleted, but the manifest says {manifest.passages:,}",
    )
    for segment in parts.segments:
        deleted = int((segment.id_rank < 0).sum())
        wanted = segment.record.deleted
        _require(deleted == wanted, f"{deleted:,} passages of a segment are deleted, but the manifest says {wanted:,}")
    return f"{len(parts.passages):,} passages in {len(parts.segments)} segments"


def _check_ids(parts: IndexResources) -> str:
    """Ids are unique and ``id_rank`` sorts them: in its order, each id is above the one before."""
    alive = parts.passages.alive
    order = alive[np.argsort(parts.id_rank[alive])]
    is_permutation = np.array_equal(parts.id_rank[order], np.arange(len(order)))
    _require(is_permutation, "id_rank.npy does not give each passage a place of its own")
    previous = None
    for row in order.tolist():
        passage_id = parts.passages.id(row)
        _require(previous is None or previous < passage_id, f"the id {passage_id!r} comes twice, or out of its rank")
        previous = passage_id
    return f"{len(order):,} unique ids"


def _check_counts(parts: IndexResources) -> str:
    for segment in parts.segments:
        counts, record = segment.counts(), segment.record
        sizes = {
            "passages": (len(counts.lengths), record.passages),
            "terms": (len(counts.vocabulary), record.terms),
            "postings": (len(counts.rows), record.postings),
        }
        for what, (found, wanted) in sizes.items():
            _require(found == wanted, f"{found:,} {what} are counted, but the manifest says {wanted:,}")
        _require(
            bool((segment.frequencies() <= parts.manifest.passages).all()),
            "a term comes in more passages than there are",
        )
    postings = sum(segment.record.postings for segment in parts.segments)
    return f"{parts.manifest.terms:,} terms, {postings:,} postings"


def _check_weights(parts: IndexResources) -> str:
    for segment in parts.segments:
        for name, weights in segment.weights.items():
            _require(bool(np.isfinite(weights()).all()), f"a weight of {name} is not a finite number")
    return f"{', '.join(parts.manifest.weights)} finite"


def _check_terms_find_their_passages(parts: IndexResources) -> str:
    """Each term of a few passages, asked alone, finds its passage, or others with at least that posting's weight."""
    alive = parts.passages.alive
    probes = alive[spread(len(alive), PROBES)].tolist()
    asked = 0
    texts = (passage.titled() for passage in parts.passages.get(probes))
    for row, terms in zip(probes, parts.analyzer().batch(texts), strict=True):
        unique = sorted(set(terms))
        segment, first = _segment_of(parts, row)
        postings = _postings(segment, unique, row - first, parts.passages.id(row))
        for name, weights in segment.weights.items():
            if unique:
                top = parts.sparse_indexes[name]().search([[term] for term in unique], PROBE_DEPTH)
                missed = ~_found(top, row, weights()[postings])
                _require(not missed.any(), f"{name} does not find passage {parts.passages.id(row)!r} by its own terms")
        asked += len(unique)
    return f"{len(probes)} passages by {asked:,} terms"


def _segment_of(parts: IndexResources, row: int) -> tuple[SegmentResources, int]:
    """Return the segment that a row is in, and the segment's first row."""
    first = 0
    for segment in parts.segments:
        if row < first + segment.record.passages:
            return segment, first
        first += segment.record.passages
    raise IndexError(f"row {row} is outside of the {first} rows")


def _postings(segment: SegmentResources, terms: Sequence[str], row: int, passage_id: str) -> IntArray:
    """Return the position of each term's posting for a row of a segment, (len(terms),)."""
    counts = segment.counts()
    postings = []
    for term, number in zip(terms, counts.vocabulary.lookup(terms).tolist(), strict=True):
        _require(number >= 0, f"the analyzer's term {term!r} of passage {passage_id!r} was not counted")
        first, end = counts.indptr[number : number + 2].tolist()
        posting = first + int(np.searchsorted(counts.rows[first:end], row))
        _require(
            posting < end and counts.rows[posting] == row,
            f"the term {term!r} has no posting for passage {passage_id!r}, whose text has it",
        )
        postings.append(posting)
    return np.array(postings, dtype=np.int64)


def _check_vectors(parts: IndexResources) -> str:
    for segment in parts.segments:
        vectors = segment.vectors()
        for start in range(0, len(vectors), VECTORS_AT_A_TIME):
            _require(bool(np.isfinite(vectors[start : start + VECTORS_AT_A_TIME]).all()), "a vector is not finite")
    return f"{parts.manifest.vectors:,} vectors of {parts.segments[0].vectors().shape[1]} numbers"


def _check_windows(parts: IndexResources) -> str:
    """Each passage has a vector; the windows of a long one follow each other from its start to its end."""
    long_passages = 0
    for segment in parts.segments:
        windows, record = segment.windows(), segment.record
        if windows is None:
            _require(record.vectors == record.passages, "there are fewer vectors than passages")
            continue
        rows, first, counts = np.unique(windows[:, 0], return_index=True, return_counts=True)
        _require(
            np.array_equal(rows, np.arange(record.passages)) and bool((np.diff(windows[:, 0]) >= 0).all()),
            "windows.npy does not give each passage its vectors, in the order of the passages",
        )
        is_follower = np.ones(len(windows), dtype=np.bool_)
        is_follower[first] = False
        starts, ends = windows[:, 1], windows[:, 2]
        steps_on = (np.diff(starts) > 0) & (np.diff(ends) > 0)
        _require(
            bool((starts >= 0).all() and (starts <= ends).all() and steps_on[is_follower[1:]].all()),
            "the windows of a passage do not follow each other",
        )
        lengths = PassageStore.open(segment.files.passages).text_lengths()
        _require(bool((ends <= lengths[windows[:, 0]]).all()), "a window ends after its passage")
        long_passages += int((counts > 1).sum())
    return f"{long_passages:,} passages in windows"


def _check_vectors_find_their_passages(parts: IndexResources) -> str:
    """A few passages' vectors find their passage, or others whose inner product with them is at least as high.

    A kind that approximates may miss some, but not most.
    """
    alive = parts.passages.alive
    probes = alive[spread(len(alive), PROBES)].astype(np.int64)
    places = [(segment, row - first) for row in probes.tolist() for segment, first in [_segment_of(parts, row)]]
    vectors = np.stack([segment.vectors()[_first_vector(segment, row)] for segment, row in places])  # (probes, D)
    found = _found(parts.vector_index().search(vectors, PROBE_DEPTH), probes, np.square(vectors).sum(axis=1))
    kind = recorded_index_type(parts.manifest.dense) if parts.manifest.dense else EXACT
    allowed = 0 if kind.is_exact else len(probes) // 2
    missed = [parts.passages.id(int(row)) for row in probes[~found]]
    _require(len(missed) <= allowed, f"the {kind.name} index does not find {', '.join(missed)} by their own vectors")
    return f"{found.sum()} of {len(probes)} passages"


def _first_vector(segment: SegmentResources, row: int) -> int:
    """Return the place of a passage's vector in its segment, or of the first of its windows."""
    windows = segment.windows()
    return row if windows is None else int(np.searchsorted(windows[:, 0], row))


def _check_recall(parts: IndexResources) -> str:
    """A kind that approximates finds as much of the exact result as when it was built, deleted passages included."""
    shares = []
    for segment in parts.segments:
        dense = segment.record.dense
        if dense is not None and dense.recall is not None:
            found = Probes(segment.vectors()).recall_at(10, segment.vector_index_with_deleted())
            wanted = dense.recall - RECALL_TOLERANCE
            _require(
                found >= wanted, f"the {dense.kind} index finds {found:.1%} of the nearest, once {dense.recall:.1%}"
            )
            shares.append(f"{found:.1%}")
    return f"{', '.join(shares)} of the nearest ten" if shares else "exact"


def _found(top: TopK, rows: IntArray | int, own_scores: FloatArray) -> BoolArray:
    """Tell for each question, (Q,), whether its row is among the hits, or all hits score at least as high."""
    lowest = top.scores[:, -1]  # -inf where there are fewer hits than asked for
    is_hit = (top.rows == np.reshape(rows, (-1, 1))).any(axis=1)
    found: BoolArray = is_hit | (lowest >= own_scores - SCORE_TOLERANCE * np.maximum(1.0, np.abs(own_scores)))
    return found


def _require(holds: bool, cause: str) -> None:
    if not holds:
        raise IndexFormatError(f"the index does not hold together: {cause}; rebuild with dpr-index build")


SPARSE_CHECKS: dict[str, Callable[[IndexResources], str]] = {
    "passages": _check_passages,
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
