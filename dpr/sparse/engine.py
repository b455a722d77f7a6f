"""Sparse search over precomputed weights: one engine for every scheme."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from dpr.errors import IndexFormatError
from dpr.sparse import kernel
from dpr.sparse.compiled import read_only
from dpr.sparse.counts import TermCounts
from dpr.sparse.coverage import coverage
from dpr.sparse.posting_search import PostingSearch
from dpr.sparse.question_terms import QuestionTerms, frequencies_of
from dpr.sparse.scheme import scheme_of
from dpr.sparse.shares import Occurrence, term_shares
from dpr.topk import segment_of
from dpr.types import DoubleArray, FloatArray, Int32Array, IntArray, RankArray, TermShare, TopK


@dataclass(frozen=True, slots=True, eq=False)
class SparseSegment:
    """A segment of a collection, ready to be searched.

    Attributes:
        counts: the term counts of its P passages.
        weights: the weight of each posting, (postings,) float32; never the negative zero.
        frequencies: the document frequency of each term in the whole collection, (T,).
        id_rank: the rank of each passage's id among the sorted ids of the collection, (P,) int32, all different;
            negative for a deleted passage. None: the rows themselves.
    """

    counts: TermCounts
    weights: FloatArray
    frequencies: IntArray
    id_rank: RankArray | None = None

    @classmethod
    def alone(
        cls,
        counts: TermCounts,
        scheme: str = "bm25",
        id_rank: RankArray | None = None,
        **parameters: float,
    ) -> SparseSegment:
        """Weigh a collection of one segment by a scheme.

        Raises:
            ConfigError: the scheme or a parameter is unknown, or the parameter out of range.
        """
        return cls(counts, scheme_of(scheme).weights(counts, None, **parameters), counts.document_frequencies, id_rank)


class SparseEngine:
    """Exact search by a scheme's weights; it may be used from many threads at once.

    The arrays are not copied: memory-mapped files are read as the questions need them. A row counts through the
    segments in their order.
    """

    def __init__(
        self,
        segments: Sequence[SparseSegment],
        scheme: str = "bm25",
        passages: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Search segments by the weights that ``SCHEMES[scheme]`` gave for them.

        Args:
            segments: the segments of the collection.
            scheme: a key of ``SCHEMES``.
            passages: the number of passages that are not deleted; all of them by default.
            threads: the number of threads for a batch of questions; by default one for each usable core.

        Raises:
            ConfigError: the scheme is unknown.
            IndexFormatError: weights, frequencies or id ranks do not fit their counts.
        """
        self._segments = [segment for segment in segments if len(segment.counts.lengths)]
        self._vocabularies = [segment.counts.vocabulary for segment in self._segments]
        self._frequencies = [segment.frequencies for segment in self._segments]
        self._scheme = scheme_of(scheme)
        total = sum(len(segment.counts.lengths) for segment in self._segments)
        self._passages = total if passages is None else passages
        self._search = PostingSearch([_postings(segment) for segment in self._segments], threads)

    def search(self, questions: Sequence[Sequence[str]], k: int) -> TopK:
        """Return the k best rows for each question, a list of terms; a hit shares at least one of them.

        Equal scores are ordered by id rank, also at the k-th row.

        Raises:
            RequestError: k is below 1.
        """
        terms = QuestionTerms.from_questions(questions, self._vocabularies, self._frequencies)
        factors = self._scheme.factors(terms, self._passages)
        of_segments = [_of_segment(terms, factors, number) for number in range(len(self._segments))]
        return self._search(of_segments, len(questions), k)

    def selecting(self, id_rank: RankArray) -> SparseEngine:
        """Return the search over the rows whose rank is not negative, (P,); its scores are those of all passages."""
        selection = copy(self)
        selection._search = self._search.selecting(id_rank)  # noqa: SLF001 - of this class
        return selection

    def frequencies(self, terms: Sequence[str]) -> IntArray:
        """Return the document frequency of each term in the whole collection, (terms,)."""
        return frequencies_of(terms, self._vocabularies, self._frequencies)[1]

    def coverage(self, questions: Sequence[Sequence[str]], rows: IntArray) -> DoubleArray:
        """Return the coverage of each question, a list of terms, by the passage of its row, (Q,)."""
        counts = [segment.counts for segment in self._segments]
        return coverage(questions, rows, counts, self._frequencies, self._passages)

    def shares(self, question: Sequence[str], row: int) -> list[TermShare]:
        """Return what each different term of a question, a list of terms, adds to the score of a row's passage."""
        number, own_row = segment_of(row, [len(segment.counts.lengths) for segment in self._segments])
        segment = self._segments[number]
        terms = QuestionTerms.from_questions([question], self._vocabularies, self._frequencies)
        factor_of = dict(zip(terms.numbers[number].tolist(), self._scheme.factors(terms, self._passages), strict=True))
        different = sorted(set(question))
        occurrences: dict[str, Occurrence] = {}
        for term, of_term in zip(different, segment.counts.vocabulary.lookup(different).tolist(), strict=True):
            posting = segment.counts.posting(of_term, own_row)
            if posting is not None:
                share = segment.weights[posting] * factor_of[of_term]  # float32, as the compiled search multiplies
                occurrences[term] = Occurrence(int(segment.counts.counts[posting]), float(share))
        return term_shares(question, self.frequencies(different), occurrences)


def _of_segment(terms: QuestionTerms, factors: FloatArray, segment: int) -> kernel.Questions:
    """Return the questions with only the terms of one segment."""
    numbers = terms.numbers[segment]
    is_there = numbers >= 0
    before = np.concatenate(([0], np.cumsum(is_there)))
    return kernel.Questions(before[terms.starts], numbers[is_there], factors[is_there])


def _postings(segment: SparseSegment) -> kernel.Postings:
    counts, weights = segment.counts, segment.weights
    for name, shape, expected in (
        ("weights", weights.shape, counts.rows.shape),
        ("frequencies", segment.frequencies.shape, (len(counts.vocabulary),)),
    ):
        if shape != expected:
            raise IndexFormatError(
                f"the {name} have the shape {shape}, but the counts need {expected}; build the index again"
            )
    return kernel.Postings(
        read_only(counts.indptr).view(np.uint64),
        read_only(counts.rows).view(np.uint32),
        read_only(np.ascontiguousarray(weights, dtype=np.float32)),
        read_only(rank_of_rows(segment.id_rank, len(counts.lengths))),
    )


def rank_of_rows(id_rank: RankArray | None, passages: int) -> Int32Array:
    """Return the rank of each row as int32, (P,): ``id_rank``, or the rows themselves without it.

    Raises:
        IndexFormatError: the number of ranks is not that of the passages.
    """
    if id_rank is None:
        return np.arange(passages, dtype=np.int32)
    if id_rank.shape != (passages,):
        raise IndexFormatError(
            f"the id ranks have the shape {id_rank.shape}, but there are {passages} passages; build the index again"
        )
    return np.ascontiguousarray(id_rank, dtype=np.int32)
