"""The compiled search: exact top-k by accumulating the postings of each question's terms.

Passages are processed in blocks whose scores stay in the cache. In a block, the postings of each term are added to a
dense array of scores; the k best so far are kept in a heap whose worst entry is the bar that a score must reach, and
most scores fail that bar in a loop that the compiler turns into vector instructions.

Rows and positions are unsigned throughout: for a signed index, Numba adds the test and the sum that let Python count
from the end, which doubles the time of the loop over postings.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dpr.sparse.compiled import compiled
from dpr.types import FloatArray, Int32Array, IntArray

BLOCK = 1 << 19
"""Passages whose scores are held at a time, 2 MiB of float32: as fast as one block, or faster where P is above it."""

LANE = 64
"""Scores that are compared with the bar at a time; divides ``BLOCK``."""

REVISIT_BELOW = 1 / 8
"""Share of postings to passages in a block below which visiting them again is faster than reading every score."""

UNTOUCHED = np.float32(-0.0)
"""Score of a row that no posting has reached: no sum of weights is the negative zero, however small or negative."""


class Postings(NamedTuple):
    """Weighted postings: ``indptr`` (T + 1,) uint64, ``rows`` uint32, ``weights`` float32, and the passages' ranks.

    ``id_rank`` (P,) int32 orders equal scores; a passage whose rank is negative is deleted, and no hit.
    """

    indptr: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.uint32]
    weights: FloatArray
    id_rank: Int32Array


class Questions(NamedTuple):
    """Q questions: ``starts`` (Q + 1,) int64 divides ``terms`` int64 and their ``factors`` float32."""

    starts: IntArray
    terms: IntArray
    factors: FloatArray


class Heap(NamedTuple):
    """The best rows so far, the worst of them first; the first ``size`` slots of each array are filled."""

    scores: FloatArray
    ranks: Int32Array
    rows: IntArray


class Hits(NamedTuple):
    """Rows (Q, k) and scores (Q, k), to be written."""

    rows: IntArray
    scores: FloatArray


class Spans(NamedTuple):
    """The postings of a question's terms in a block: from ``heads`` (terms,) up to ``stops`` (terms,)."""

    heads: npt.NDArray[np.uint64]
    stops: npt.NDArray[np.uint64]


def untouched_scores(passages: int) -> FloatArray:
    """Return a score buffer for ``search``; a thread may reuse it for the next search."""
    lanes = -(-min(BLOCK, passages) // LANE)
    return np.full(lanes * LANE, UNTOUCHED)


@compiled
def search(
    postings: Postings,
    questions: Questions,
    first: int,
    last: int,
    scores: FloatArray,
    hits: Hits,
) -> None:
    """Write the best rows and scores of questions ``first`` to ``last`` - 1 into ``hits``, best first.

    Slots without a hit stay as they are; ``scores`` are untouched before and after.
    """
    passages = len(postings.id_rank)
    k = min(passages, hits.rows.shape[1])
    heap = Heap(np.empty(k, np.float32), np.empty(k, np.int32), np.empty(k, np.int64))
    for question in range(first, last):
        terms = questions.terms[questions.starts[question] : questions.starts[question + 1]]
        factors = questions.factors[questions.starts[question] : questions.starts[question + 1]]
        heads, ends = postings.indptr[terms], postings.indptr[terms + 1]
        size = int(np.int64(0))  # a bare 0 is a type of its own to Numba, and all below would be compiled twice
        for base in range(0, passages, BLOCK):
            stops = _block_ends(postings.rows, heads, ends, np.uint32(min(base + BLOCK, passages)))
            for term in range(len(terms)):
                _accumulate(postings, heads[term], stops[term], factors[term], scores, np.uint32(base))
            if (stops - heads).sum() < REVISIT_BELOW * len(scores):
                size = _revisit(postings, Spans(heads, stops), scores, np.uint32(base), heap, size)
            else:
                size = _scan(postings.id_rank, scores, base, heap, size)
            heads = stops
        _drain(heap, size, hits.rows[question], hits.scores[question])


@compiled
def search_rows(
    postings: Postings,
    selected: npt.NDArray[np.uint32],
    questions: Questions,
    first: int,
    last: int,
    hits: Hits,
) -> None:
    """Do the same as ``search`` where few rows are not deleted, the ``selected`` ones (S,), ascending.

    Each is looked up in the postings of each term, in the order of the terms, so that the scores are the same.
    """
    count = len(selected)
    k = min(count, hits.rows.shape[1])
    heap = Heap(np.empty(k, np.float32), np.empty(k, np.int32), np.empty(k, np.int64))
    scores = np.full(count, UNTOUCHED)
    for question in range(first, last):
        for term in range(questions.starts[question], questions.starts[question + 1]):
            head, end = postings.indptr[questions.terms[term]], postings.indptr[questions.terms[term] + 1]
            _accumulate_selected(postings, selected, head, end, questions.factors[term], scores)
        size = int(np.int64(0))
        for index in range(count):
            score = scores[index]
            if not _is_untouched(score):
                scores[index] = UNTOUCHED
                row = selected[index]
                if size < k or score >= heap.scores[0]:
                    size = _offer(heap, size, score, postings.id_rank[row], int(np.int64(row)))
        _drain(heap, size, hits.rows[question], hits.scores[question])


@compiled
def _accumulate_selected(
    postings: Postings,
    selected: npt.NDArray[np.uint32],
    head: np.uint64,
    end: np.uint64,
    factor: np.float32,
    scores: FloatArray,
) -> None:
    """Add the weights of a term's postings to selected rows; each is found from the one before in growing steps."""
    rows = postings.rows
    one = np.uint64(1)
    for index in range(len(selected)):
        row = selected[index]
        step = one
        while head + step < end and rows[head + step] < row:
            head += step
            step += step
        high = min(head + step + one, end)
        while head < high:
            middle = (head + high) >> one
            if rows[middle] < row:
                head = middle + one
            else:
                high = middle
        if head == end:
            return
        if rows[head] == row:
            scores[index] += postings.weights[head] * factor


@compiled
def _block_ends(
    rows: npt.NDArray[np.uint32], heads: npt.NDArray[np.uint64], ends: npt.NDArray[np.uint64], limit: np.uint32
) -> npt.NDArray[np.uint64]:
    """Return, for each list of postings, the position of its first row at or above ``limit``."""
    stops = ends.copy()
    for term in range(len(ends)):
        low, high = heads[term], ends[term]
        if low == high or rows[high - np.uint64(1)] < limit:
            continue
        while low < high:
            middle = (low + high) >> np.uint64(1)
            if rows[middle] < limit:
                low = middle + np.uint64(1)
            else:
                high = middle
        stops[term] = low
    return stops


@compiled
def _accumulate(
    postings: Postings, head: np.uint64, stop: np.uint64, factor: np.float32, scores: FloatArray, base: np.uint32
) -> None:
    rows, weights = postings.rows, postings.weights
    for position in range(head, stop):
        scores[rows[position] - base] += weights[position] * factor


@compiled
def _scan(id_rank: Int32Array, scores: FloatArray, base: int, heap: Heap, size: int) -> int:
    """Offer every touched row of a block to the heap, and make the block untouched again."""
    bar = heap.scores[0] if size == len(heap.scores) else np.float32(-np.inf)
    for start in range(0, len(scores), LANE):
        above = np.int32(0)
        for index in range(LANE):
            above += np.int32(scores[np.uint64(start + index)] >= bar)
        if above == 0:
            continue
        for index in range(start, start + LANE):
            score = scores[index]
            if score >= bar and id_rank[base + index] >= 0 and not _is_untouched(score):
                size = _offer(heap, size, score, id_rank[base + index], base + index)
                bar = heap.scores[0] if size == len(heap.scores) else bar
    scores[:] = UNTOUCHED
    return size


@compiled
def _revisit(postings: Postings, spans: Spans, scores: FloatArray, base: np.uint32, heap: Heap, size: int) -> int:
    """Do the same as ``_scan`` by following the postings again."""
    for term in range(len(spans.heads)):
        for position in range(spans.heads[term], spans.stops[term]):
            row = postings.rows[position]
            score = scores[row - base]
            if not _is_untouched(score):
                scores[row - base] = UNTOUCHED
                if size < len(heap.scores) or score >= heap.scores[0]:
                    size = _offer(heap, size, score, postings.id_rank[row], int(np.int64(row)))
    return size


@compiled
def _is_untouched(score: np.float32) -> bool:
    return score == 0 and math.copysign(1.0, score) < 0


@compiled
def _offer(heap: Heap, size: int, score: np.float32, rank: np.int32, row: int) -> int:
    """Put a row into the heap if it is among the k best and not deleted; return the heap's size."""
    if rank < 0:
        return size
    if size < len(heap.scores):
        slot = size
        while slot > 0 and _is_worse(score, rank, heap.scores[(slot - 1) // 2], heap.ranks[(slot - 1) // 2]):
            _move(heap, (slot - 1) // 2, slot)
            slot = (slot - 1) // 2
        heap.scores[slot], heap.ranks[slot], heap.rows[slot] = score, rank, row
        return size + 1
    if _is_worse(heap.scores[0], heap.ranks[0], score, rank):
        _replace_worst(heap, size, score, rank, row)
    return size


@compiled
def _replace_worst(heap: Heap, size: int, score: np.float32, rank: np.int32, row: int) -> None:
    slot, child = 0, 1
    while child < size:
        if child + 1 < size and _is_worse(
            heap.scores[child + 1], heap.ranks[child + 1], heap.scores[child], heap.ranks[child]
        ):
            child += 1
        if not _is_worse(heap.scores[child], heap.ranks[child], score, rank):
            break
        _move(heap, child, slot)
        slot, child = child, 2 * child + 1
    heap.scores[slot], heap.ranks[slot], heap.rows[slot] = score, rank, row


@compiled
def _move(heap: Heap, source: int, target: int) -> None:
    heap.scores[target], heap.ranks[target] = heap.scores[source], heap.ranks[source]
    heap.rows[target] = heap.rows[source]


@compiled
def _is_worse(score: np.float32, rank: np.int32, other_score: np.float32, other_rank: np.int32) -> bool:
    return bool(score < other_score or (score == other_score and rank > other_rank))


@compiled
def _drain(heap: Heap, size: int, best_rows: IntArray, best_scores: FloatArray) -> None:
    """Empty the heap into arrays, from the last slot to the first."""
    for slot in range(size - 1, -1, -1):
        best_rows[slot], best_scores[slot] = heap.rows[0], heap.scores[0]
        _replace_worst(heap, slot, heap.scores[slot], heap.ranks[slot], heap.rows[slot])
