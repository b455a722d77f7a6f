"""The ``rank-bm25`` package behind the engine's own Protocol: slow, in memory, and the reference for BM25."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np
from rank_bm25 import BM25Okapi

from dpr.sparse.counts import TermCounts
from dpr.sparse.coverage import coverage
from dpr.sparse.engine import rank_of_rows
from dpr.sparse.question_terms import frequencies_of
from dpr.sparse.shares import Occurrence, term_shares
from dpr.topk import no_hits
from dpr.types import DoubleArray, IntArray, RankArray, TermShare, TopK


class RankBM25Engine:
    """Search by ``rank_bm25.BM25Okapi`` over the same term counts; its terms are the terms' numbers."""

    def __init__(
        self,
        counts: TermCounts,
        k1: float = 1.2,
        b: float = 0.75,
        epsilon: float = 0.25,
        id_rank: RankArray | None = None,
    ) -> None:
        """Give the passages of ``counts`` to the package, which holds a dictionary for each (2 to 5 KB).

        Args:
            counts: the term counts of P passages.
            k1: saturation of the term frequency; the higher, the later.
            b: how much a passage's length counts, 0 to 1.
            epsilon: the floor of a negative idf, as a share of the mean idf.
            id_rank: the rank of each passage's id among the sorted ids, (P,); the row itself without it.

        Raises:
            IndexFormatError: ``id_rank`` does not fit ``counts``.
        """
        self._counts = counts
        self._id_rank = rank_of_rows(id_rank, len(counts.lengths))
        # The package divides by the number of terms: without any, it gets a stand-in that no question reaches.
        documents = _documents(counts) if len(counts.vocabulary) else [[0]]
        self._package = BM25Okapi(documents, k1=k1, b=b, epsilon=epsilon)

    def search(self, questions: Sequence[Sequence[str]], k: int) -> TopK:
        """Return the k best rows for each question, a list of terms; a hit shares at least one of them.

        Equal scores are ordered by ``id_rank``.

        Raises:
            RequestError: k is below 1.
        """
        top = no_hits(len(questions), k)
        for number, question in enumerate(questions):
            numbers = self._counts.vocabulary.lookup(question)
            term_numbers = numbers[numbers >= 0].tolist()
            if term_numbers:
                with np.errstate(invalid="ignore"):  # b = 1 makes 0 / 0 of an empty passage, which is no hit
                    scores = self._package.get_scores(term_numbers).astype(np.float32)
                rows = self._rows_with(term_numbers)
                rows = rows[self._id_rank[rows] >= 0]
                best = rows[np.lexsort((self._id_rank[rows], -scores[rows]))[:k]]
                top.rows[number, : len(best)] = best
                top.scores[number, : len(best)] = scores[best]
        return top

    def selecting(self, id_rank: RankArray) -> RankBM25Engine:
        """Return the search over the rows whose rank is not negative, (P,); its scores are those of all passages."""
        selection = copy(self)
        selection._id_rank = rank_of_rows(id_rank, len(self._counts.lengths))  # noqa: SLF001 - of this class
        return selection

    def frequencies(self, terms: Sequence[str]) -> IntArray:
        """Return the document frequency of each term, (terms,)."""
        return frequencies_of(terms, [self._counts.vocabulary], [self._counts.document_frequencies])[1]

    def coverage(self, questions: Sequence[Sequence[str]], rows: IntArray) -> DoubleArray:
        """Return the coverage of each question, a list of terms, by the passage of its row, (Q,)."""
        counts = self._counts
        return coverage(questions, rows, [counts], [counts.document_frequencies], len(counts.lengths))

    def shares(self, question: Sequence[str], row: int) -> list[TermShare]:
        """Return what each different term of a question, a list of terms, adds to the score of a row's passage."""
        repeats = Counter(question)
        different = sorted(repeats)
        occurrences: dict[str, Occurrence] = {}
        for term, number in zip(different, self._counts.vocabulary.lookup(different).tolist(), strict=True):
            posting = self._counts.posting(number, row)
            if posting is not None:
                [share] = self._package.get_batch_scores([number] * repeats[term], [row])
                occurrences[term] = Occurrence(int(self._counts.counts[posting]), float(share))
        return term_shares(question, self.frequencies(different), occurrences)

    def _rows_with(self, terms: Sequence[int]) -> IntArray:
        """Return the rows that have one of the terms."""
        indptr, rows = self._counts.indptr, self._counts.rows
        return np.unique(np.concatenate([rows[indptr[term] : indptr[term + 1]] for term in terms])).astype(np.int64)


def _documents(counts: TermCounts) -> Iterator[list[int]]:
    """Yield the terms of each passage, repeats included."""
    order = np.argsort(counts.rows, kind="stable")
    terms = np.repeat(np.arange(len(counts.vocabulary)), counts.document_frequencies)[order]
    repeats = counts.counts[order]
    ends = np.cumsum(np.bincount(counts.rows, minlength=len(counts.lengths)))
    for start, end in zip((ends - np.diff(ends, prepend=0)).tolist(), ends.tolist(), strict=True):
        yield np.repeat(terms[start:end], repeats[start:end]).tolist()
