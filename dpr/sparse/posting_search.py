"""Search weighted postings of several segments for a batch of questions, on all threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from dpr.sparse import kernel
from dpr.sparse.compiled import read_only
from dpr.threads import thread_budget
from dpr.topk import merge_top_k, no_hits
from dpr.types import FloatArray, RankArray, TopK

QUESTIONS_AT_A_TIME = 16
"""Questions that a thread takes at a time: enough for little overhead, few enough that all threads finish together."""


FEW_ROWS = 1 / 512
"""Share of the rows up to which each is looked up in the postings, which is faster than reading these."""


class PostingSearch:
    """Exact search over the postings of segments; it may be used from many threads at once.

    A row counts through the segments in their order.
    """

    def __init__(self, segments: Sequence[kernel.Postings], threads: int | None = None) -> None:
        """Search the postings of segments; by default with one thread for each usable core."""
        self.segments = tuple(segments)
        self._selected: tuple[npt.NDArray[np.uint32] | None, ...] = (None,) * len(self.segments)
        self._threads = threads or thread_budget()
        self._memory = threading.local()

    def __call__(self, of_segments: Sequence[kernel.Questions], questions: int, k: int) -> TopK:
        """Return the k best rows for each question; ``of_segments`` has the questions' terms in each segment.

        Equal scores are ordered by id rank, also at the k-th row.

        Raises:
            RequestError: k is below 1.
        """
        results = [no_hits(questions, k) for _ in self.segments]

        def search_from(first: int) -> None:
            """Search some questions in all segments."""
            last = min(first + QUESTIONS_AT_A_TIME, questions)
            for postings, selected, of_segment, top in zip(
                self.segments, self._selected, of_segments, results, strict=True
            ):
                hits = kernel.Hits(top.rows, top.scores)
                if selected is not None:
                    kernel.search_rows(postings, selected, of_segment, first, last, hits)
                    continue
                kernel.search(postings, of_segment, first, last, self._scores_of_thread(postings), hits)

        starts = range(0, questions, QUESTIONS_AT_A_TIME)
        if len(starts) <= 1 or self._threads == 1:
            for start in starts:
                search_from(start)
        else:
            with ThreadPoolExecutor(min(self._threads, len(starts))) as pool:
                list(pool.map(search_from, starts))
        if len(results) > 1:
            return merge_top_k(results, [postings.id_rank for postings in self.segments])
        return results[0] if results else no_hits(questions, k)

    def selecting(self, id_rank: RankArray) -> PostingSearch:
        """Return the search over the rows whose rank is not negative, (P,), with the same score buffers."""
        ends = list(accumulate((len(postings.id_rank) for postings in self.segments), initial=0))
        selection = copy(self)
        selection.segments = tuple(
            postings._replace(id_rank=read_only(np.ascontiguousarray(id_rank[first:end], dtype=np.int32)))
            for postings, first, end in zip(self.segments, ends[:-1], ends[1:], strict=True)
        )
        selection._selected = tuple(_few_rows(postings.id_rank) for postings in selection.segments)  # noqa: SLF001
        return selection

    def _scores_of_thread(self, postings: kernel.Postings) -> FloatArray:
        """Return this thread's score buffer: allocating one takes half as long as a search of rare terms."""
        if not hasattr(self._memory, "scores"):
            self._memory.scores = {}
        buffers: dict[int, FloatArray] = self._memory.scores
        passages = min(len(postings.id_rank), kernel.BLOCK)
        if passages not in buffers:
            buffers[passages] = kernel.untouched_scores(passages)
        return buffers[passages]


def _few_rows(id_rank: RankArray) -> npt.NDArray[np.uint32] | None:
    """Return the rows that are not deleted, ascending; None if these are not few."""
    selected = np.flatnonzero(id_rank >= 0)
    return read_only(selected.astype(np.uint32)) if len(selected) <= FEW_ROWS * len(id_rank) else None
