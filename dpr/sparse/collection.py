"""Collection statistics: document frequencies and means over all passages that are not deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpr.sparse.counts import TermCounts
from dpr.sparse.merge import merge_vocabularies
from dpr.types import BoolArray, DoubleArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class CollectionStatistics:
    """The statistics of a collection that one of its segments needs; deleted passages do not count.

    Attributes:
        passages: the number of passages in all segments, P.
        mean_length: their mean number of terms; 1 if no passage has a term.
        mean_idf: the mean of `raw_idf` over all terms of the collection; 0 without terms.
        frequencies: the document frequency in the collection of each of the segment's T terms, (T,) int64; 0 for a
            term that only deleted passages have.
    """

    passages: int
    mean_length: float
    mean_idf: float
    frequencies: IntArray

    @classmethod
    def from_counts(cls, counts: TermCounts) -> CollectionStatistics:
        """Return the statistics of a collection of one segment without deleted passages."""
        (collection,), _ = collection_statistics([counts], [None])
        return collection


def collection_statistics(
    segments: Sequence[TermCounts], deleted: Sequence[BoolArray | None]
) -> tuple[list[CollectionStatistics], int]:
    """Return the statistics of a collection for each of its segments, and the number of its different terms.

    ``deleted`` (P,) marks the deleted passages of each segment; None: no passage is deleted. The statistics equal those
    of one segment with the remaining passages, to the last bit.
    """
    alive = [_alive_frequencies(counts, is_deleted) for counts, is_deleted in zip(segments, deleted, strict=True)]
    vocabulary, numbers = merge_vocabularies([counts.vocabulary for counts in segments])
    frequencies = np.zeros(len(vocabulary), dtype=np.int64)
    for segment_frequencies, numbers_in_collection in zip(alive, numbers, strict=True):
        frequencies[numbers_in_collection] += segment_frequencies
    lengths = [
        counts.lengths if is_deleted is None else counts.lengths[~is_deleted]
        for counts, is_deleted in zip(segments, deleted, strict=True)
    ]
    passages = sum(map(len, lengths))
    terms = sum(int(segment_lengths.sum(dtype=np.int64)) for segment_lengths in lengths)
    positive = frequencies[frequencies > 0]
    mean_idf = float(raw_idf(positive, passages).mean()) if len(positive) else 0.0
    mean_length = terms / passages if terms else 1.0
    return [
        CollectionStatistics(passages, mean_length, mean_idf, frequencies[numbers_in_collection])
        for numbers_in_collection in numbers
    ], len(positive)


def raw_idf(frequencies: IntArray, passages: int) -> DoubleArray:
    """Return log(P - n + ½) - log(n + ½) for terms in n of P passages, (T,); negative above P / 2."""
    idf: DoubleArray = np.log(passages - frequencies + 0.5) - np.log(frequencies + 0.5)
    return idf


def _alive_frequencies(counts: TermCounts, deleted: BoolArray | None) -> IntArray:
    if deleted is None:
        return counts.document_frequencies
    frequencies: IntArray = np.zeros(len(counts.vocabulary), dtype=np.int64)
    for block in counts.blocks():
        alive = block.terms[~deleted[block.rows]]
        frequencies += np.bincount(alive, minlength=len(frequencies))
    return frequencies
