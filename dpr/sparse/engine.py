"""Sparse search over precomputed weights: one engine for every scheme."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from dpr.errors import ConfigError, IndexFormatError, RequestError
from dpr.sparse import kernel
from dpr.sparse.compiled import read_only
from dpr.sparse.counts import TermCounts
from dpr.sparse.question_terms import QuestionTerms
from dpr.sparse.scheme import SCHEMES
from dpr.types import FloatArray, IntArray, TopK

RankArray = npt.NDArray[np.int32]

QUESTIONS_AT_A_TIME = 16
"""Questions that a thread takes at a time: enough to make the handing out cheap, few enough to finish together."""


class SparseEngine:
    """Exact search by a scheme's weights; it may be used from many threads at once.

    The arrays are used where they are: memory-mapped files are read as the questions need them.
    """

    def __init__(
        self,
        counts: TermCounts,
        weights: FloatArray,
        scheme: str,
        id_rank: IntArray | RankArray | None = None,
        threads: int | None = None,
    ) -> None:
        """Search ``counts`` by the ``weights`` (postings,) that ``SCHEMES[scheme]`` gave for them.

        Args:
            counts: the term counts of P passages.
            weights: the weight of each posting, float32; never the negative zero.
            scheme: a key of ``SCHEMES``.
            id_rank: the place of each passage's id among the sorted ids, (P,); the row itself without it. It is
                copied unless it is int32.
            threads: how many threads share a batch of questions; by default one for each usable core.

        Raises:
            ConfigError: the scheme is unknown.
            IndexFormatError: ``weights`` or ``id_rank`` do not fit ``counts``.
        """
        if scheme not in SCHEMES:
            raise ConfigError(f"unknown sparse scheme {scheme!r}; choose from {', '.join(SCHEMES)}")
        if weights.shape != counts.rows.shape:
            raise IndexFormatError(
                f"there are {weights.shape} weights for {counts.rows.shape} postings; build the index again"
            )
        self._counts = counts
        self._scheme = SCHEMES[scheme]
        self._threads = threads or len(os.sched_getaffinity(0))
        self._memory = threading.local()
        self._postings = kernel.Postings(
            read_only(counts.indptr).view(np.uint64),
            read_only(counts.rows).view(np.uint32),
            read_only(np.ascontiguousarray(weights, dtype=np.float32)),
            read_only(rank_of_rows(id_rank, len(counts.lengths))),
        )

    def search(self, questions: Sequence[Sequence[str]], k: int) -> TopK:
        """Return the k best rows for each question, given as its terms; a hit shares at least one of them.

        Equal scores are ordered by ``id_rank``, also where they decide which row is the k-th.

        Raises:
            RequestError: k is below 1.
        """
        top = no_hits(len(questions), k)
        asked = self._rarest_first(questions)

        def search_from(first: int) -> None:
            last = min(first + QUESTIONS_AT_A_TIME, len(questions))
            kernel.search(self._postings, asked, first, last, self._scores_of_thread(), top.rows, top.scores)

        starts = range(0, len(questions), QUESTIONS_AT_A_TIME)
        if len(starts) <= 1 or self._threads == 1:
            for start in starts:
                search_from(start)
        else:
            with ThreadPoolExecutor(min(self._threads, len(starts))) as pool:
                list(pool.map(search_from, starts))
        return top

    def _rarest_first(self, questions: Sequence[Sequence[str]]) -> kernel.Questions:
        """Return questions by number, the rarest terms of each first: they weigh most, so the bar is soon high."""
        terms = QuestionTerms.of(questions, self._counts.vocabulary)
        frequencies = self._counts.indptr[terms.terms + 1] - self._counts.indptr[terms.terms]
        order = np.lexsort((frequencies, terms.owners))
        return kernel.Questions(terms.starts, terms.terms[order], self._scheme.factors(terms, self._counts)[order])

    def _scores_of_thread(self) -> FloatArray:
        """Return this thread's working memory: getting it from the system anew costs half a search of rare terms."""
        if not hasattr(self._memory, "scores"):
            self._memory.scores = kernel.untouched_scores(len(self._counts.lengths))
        scores: FloatArray = self._memory.scores
        return scores


def no_hits(questions: int, k: int) -> TopK:
    """Return a result without hits, (questions, k), to be filled.

    Raises:
        RequestError: k is below 1.
    """
    if k < 1:
        raise RequestError(f"k is {k}, but a search returns at least one hit; ask for k >= 1", field="k")
    return TopK(np.full((questions, k), -1, np.int64), np.full((questions, k), -np.inf, np.float32))


def rank_of_rows(id_rank: IntArray | RankArray | None, passages: int) -> RankArray:
    """Return the rank of each row as int32, (P,): ``id_rank``, or the rows themselves without it.

    Raises:
        IndexFormatError: there is not one rank for each passage.
    """
    if id_rank is None:
        return np.arange(passages, dtype=np.int32)
    if id_rank.shape != (passages,):
        raise IndexFormatError(f"there are {id_rank.shape} id ranks for {passages} passages; build the index again")
    return np.ascontiguousarray(id_rank, dtype=np.int32)
