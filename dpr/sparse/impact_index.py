"""Search learned term weights: a score is the sum, over shared terms, of the question's weight times the passage's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpr.sparse import kernel
from dpr.sparse.compiled import read_only
from dpr.sparse.impacts import Impacts
from dpr.sparse.posting_search import PostingSearch
from dpr.topk import segment_of
from dpr.types import FloatArray, IntArray, RankArray, TermWeights, TopK


@dataclass(frozen=True, slots=True, eq=False)
class ImpactSegment:
    """The impacts of a segment, and the rank of each of its passages' ids; negative for a deleted passage."""

    impacts: Impacts
    id_rank: RankArray


class ImpactIndex:
    """Exact search over the impacts of segments, by the engine of BM25; rows count through the segments."""

    def __init__(self, segments: Sequence[ImpactSegment]) -> None:
        self._segments = [segment for segment in segments if segment.impacts.passages]
        self._search = PostingSearch([_postings(segment) for segment in self._segments])

    def search(self, questions: TermWeights, k: int) -> TopK:
        """Return the k best rows for each question; a hit shares at least one term with it.

        Raises:
            RequestError: k is below 1.
        """
        numbers = questions.terms.astype(np.int64)
        terms = kernel.Questions(questions.starts, numbers, questions.weights)
        return self._search([terms] * len(self._segments), len(questions), k)

    def shares(self, question: TermWeights, row: int) -> FloatArray:
        """Return what each term of one question adds to the score of a row's passage, (terms,); 0: it lacks it."""
        number, own_row = segment_of(row, [segment.impacts.passages for segment in self._segments])
        impacts, shares = self._segments[number].impacts, np.zeros(len(question.terms), dtype=np.float32)
        for position, term in enumerate(question.terms.tolist()):
            start, end = impacts.indptr[term : term + 2].tolist()
            posting = start + int(np.searchsorted(impacts.rows[start:end], own_row))
            if posting < end and impacts.rows[posting] == own_row:
                shares[position] = impacts.weights[posting] * question.weights[position]
        return shares

    def document_frequencies(self, terms: Sequence[int]) -> IntArray:
        """Return how many passages have each term, deleted ones that are still on disk included, (terms,)."""
        total: IntArray = np.zeros(len(terms), dtype=np.int64)
        for segment in self._segments:
            total += np.diff(segment.impacts.indptr)[list(terms)]
        return total


def _postings(segment: ImpactSegment) -> kernel.Postings:
    impacts = segment.impacts
    return kernel.Postings(
        read_only(impacts.indptr).view(np.uint64),
        read_only(impacts.rows).view(np.uint32),
        read_only(impacts.weights),
        read_only(np.ascontiguousarray(segment.id_rank, dtype=np.int32)),
    )
