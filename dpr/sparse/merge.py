"""Merge the term counts of blocks of passages on disk, in memory that does not grow with the passages."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dpr.array_files import create_array
from dpr.sparse.counts import FILES, TermCounts, file_of
from dpr.sparse.vocabulary import Vocabulary
from dpr.types import BoolArray, IntArray

POSTINGS_AT_A_TIME = 1 << 22
"""Postings that are sorted in memory before they are written."""


def merge_counts(blocks: Sequence[TermCounts], folder: Path) -> TermCounts:
    """Write the counts of the passages of all blocks, in their order, into a folder; return them memory-mapped.

    The files equal those of ``TermCounts.build`` over all passages, to the last byte.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, numbers = merge_vocabularies([block.vocabulary for block in blocks])
    frequencies = np.zeros(len(vocabulary), dtype=np.int64)
    for block, merged_numbers in zip(blocks, numbers, strict=True):
        frequencies[merged_numbers] += block.document_frequencies
    indptr = np.concatenate(([0], np.cumsum(frequencies)))
    lengths = np.concatenate([block.lengths for block in blocks]) if blocks else np.empty(0, dtype=np.int32)
    for name, content in (
        ("terms", vocabulary.terms),
        ("term_offsets", vocabulary.offsets),
        ("indptr", indptr),
        ("lengths", lengths.astype(np.int32)),
    ):
        np.save(file_of(folder, name), content, allow_pickle=False)
    _write_postings(blocks, numbers, indptr, _created(folder, "rows", indptr), _created(folder, "counts", indptr))
    return TermCounts.open(folder)


def without(counts: TermCounts, is_deleted: BoolArray) -> TermCounts:
    """Return the counts of the passages that are not deleted, in memory; ``is_deleted`` is (P,)."""
    is_kept = ~is_deleted[counts.rows]
    before = np.concatenate(([0], np.cumsum(is_kept)))
    frequencies = before[counts.indptr[1:]] - before[counts.indptr[:-1]]
    is_used = frequencies > 0
    names = compress(counts.vocabulary, is_used.tolist())
    new_rows = (np.cumsum(~is_deleted) - 1).astype(np.int32)
    return TermCounts(
        Vocabulary.from_terms(names),
        np.concatenate(([0], np.cumsum(frequencies[is_used]))),
        new_rows[counts.rows[is_kept]],
        counts.counts[is_kept],
        counts.lengths[~is_deleted],
    )


def merge_vocabularies(vocabularies: Sequence[Vocabulary]) -> tuple[Vocabulary, list[IntArray]]:
    """Return the merged vocabulary, and for each vocabulary the numbers of its terms in the merged one."""
    if len(vocabularies) == 1:
        return vocabularies[0], [np.arange(len(vocabularies[0]))]
    numbers: list[IntArray] = [np.empty(len(vocabulary), dtype=np.int64) for vocabulary in vocabularies]
    merged = Vocabulary.from_terms(_distinct(vocabularies, numbers))
    return merged, numbers


def _distinct(vocabularies: Sequence[Vocabulary], numbers: Sequence[IntArray]) -> Iterator[str]:
    """Yield each term once, in order, and write its number for every vocabulary that has it."""
    last, number = None, -1
    for term, source, position in heapq.merge(*(_numbered_terms(*item) for item in enumerate(vocabularies))):
        if term != last:
            number += 1
            last = term
            yield term
        numbers[source][position] = number


def _numbered_terms(source: int, vocabulary: Vocabulary) -> Iterator[tuple[str, int, int]]:
    for position, term in enumerate(vocabulary):
        yield term, source, position


def _created(folder: Path, name: str, indptr: IntArray) -> npt.NDArray[Any]:
    return create_array(file_of(folder, name), FILES[name], (int(indptr[-1]),))


def _write_postings(
    blocks: Sequence[TermCounts],
    numbers: Sequence[IntArray],
    indptr: IntArray,
    rows: npt.NDArray[Any],
    counts: npt.NDArray[Any],
) -> None:
    """Write the postings of a range of terms at a time: they are contiguous in each block and in the result."""
    first_rows = np.cumsum([0, *(len(block.lengths) for block in blocks)])
    first = 0
    while first < len(indptr) - 1:
        last = max(first + 1, int(np.searchsorted(indptr, indptr[first] + POSTINGS_AT_A_TIME, side="right")) - 1)
        heads = indptr[first:last].copy()
        for block, merged_numbers, offset in zip(blocks, numbers, first_rows.tolist(), strict=False):
            begin, end = np.searchsorted(merged_numbers, (first, last)).tolist()
            span = slice(int(block.indptr[begin]), int(block.indptr[end]))
            sizes = np.diff(block.indptr[begin : end + 1])
            starts = np.cumsum(sizes) - sizes
            at = merged_numbers[begin:end] - first
            targets = np.repeat(heads[at] - starts, sizes) + np.arange(span.stop - span.start)
            rows[targets] = block.rows[span] + np.int32(offset)
            counts[targets] = block.counts[span]
            heads[at] += sizes
        first = last
    for array in (rows, counts):
        if isinstance(array, np.memmap):
            array.flush()
