"""What the weight of a term depends on beyond its own passage: how the term fares in all passages that are alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpr.sparse.counts import TermCounts
from dpr.sparse.merge import merge_vocabularies
from dpr.types import BoolArray, DoubleArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """The statistics of a collection, as one of its segments needs them. Deleted passages are as if never added.

    Attributes:
        passages: the number of passages in all segments, P.
        mean_length: their mean number of terms; 1 where none has any.
        mean_idf: the mean of `raw_idf` over all terms of the collection; 0 where there are none.
        frequencies: the number of passages of the collection that have each of the segment's T terms, (T,) int64; 0 for
            a term that only deleted passages have.
    """

    passages: int
    mean_length: float
    mean_idf: float
    frequencies: IntArray

    @classmethod
    def of(cls, counts: TermCounts) -> Collection:
        """Return the statistics of a collection of one segment, of which nothing is deleted."""
        (collection,), _ = collections_of([counts], [None])
        return collection


def collections_of(segments: Sequence[TermCounts], deleted: Sequence[BoolArray | None]) -> tuple[list[Collection], int]:
    """Return the statistics of a collection for each of its segments, and the number of its different terms.

    ``deleted`` (P,) tells for each segment the passages that are not part of the collection; None: all are.

    They are those of a segment that holds the other passages alone, to the last bit.
    """
    alive = [_alive_frequencies(counts, gone) for counts, gone in zip(segments, deleted, strict=True)]
    vocabulary, numbers = merge_vocabularies([counts.vocabulary for counts in segments])
    frequencies = np.zeros(len(vocabulary), dtype=np.int64)
    for part, places in zip(alive, numbers, strict=True):
        frequencies[places] += part
    lengths = [
        counts.lengths if gone is None else counts.lengths[~gone]
        for counts, gone in zip(segments, deleted, strict=True)
    ]
    passages = sum(map(len, lengths))
    terms = sum(int(part.sum(dtype=np.int64)) for part in lengths)
    known = frequencies[frequencies > 0]
    mean_idf = float(raw_idf(known, passages).mean()) if len(known) else 0.0
    mean_length = terms / passages if terms else 1.0
    return [Collection(passages, mean_length, mean_idf, frequencies[places]) for places in numbers], len(known)


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
