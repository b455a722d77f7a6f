"""Search over the windows of long passages: each passage is one hit, with the score of its best window."""

from __future__ import annotations

from copy import copy

import numpy as np

from dpr.filters import Filter
from dpr.topk import no_hits
from dpr.types import FloatArray, IntArray, RankArray, TopK, VectorIndex, WindowArray


class WindowedIndex:
    """The best passages of an index over the vectors of their windows.

    The score of a passage is the highest score of its windows. The result is exact if the index over the vectors is.
    """

    def __init__(self, index: VectorIndex, windows: WindowArray) -> None:
        """Search the vectors of windows.

        Args:
            index: the search over V vectors, which orders equal scores by `window_ranks`.
            windows: the passage's row, and the window's start and end in its text, of each vector, (V, 3).
        """
        self._index = index
        self._windows = windows
        is_first = np.diff(windows[:, 0], prepend=-1) > 0
        self._is_whole = is_first & np.append(is_first[1:], True)  # the only vector of its passage

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k passages whose best window has the highest inner product, for question vectors (Q, D).

        The search fetches 2 k windows, and doubles this number until they belong to k different passages.

        Raises:
            IndexFormatError: the questions' dimension is not the index's.
            RequestError: k is below 1.
        """
        top = no_hits(len(questions), k)
        spans: IntArray = np.full((len(questions), k, 2), -1, dtype=np.int64)
        open_questions, width = np.arange(len(questions)), min(2 * k, len(self._windows))
        while len(open_questions):
            fetched = self._index.search(questions[open_questions], width)
            is_settled = np.zeros(len(open_questions), dtype=np.bool_)
            for number, question in enumerate(open_questions):
                vectors = fetched.rows[number][fetched.rows[number] >= 0]  # best first
                first = np.sort(np.unique(self._windows[vectors, 0], return_index=True)[1])[:k]
                best = vectors[first]  # each passage's best window
                top.rows[question, : len(best)] = self._windows[best, 0]
                top.scores[question, : len(best)] = fetched.scores[number, first]
                spans[question, : len(best)] = np.where(self._is_whole[best, np.newaxis], -1, self._windows[best, 1:])
                is_settled[number] = len(best) == k or len(vectors) < width or width == len(self._windows)
            open_questions = open_questions[~is_settled]
            width = min(2 * width, len(self._windows))
        return TopK(top.rows, top.scores, spans)

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> WindowedIndex:
        """Return the search over the passages whose rank is not negative, (P,)."""
        selection = copy(self)
        ranks = window_ranks(id_rank, self._windows)
        selection._index = self._index.selecting(ranks, condition)  # noqa: SLF001 - of this class
        return selection


def window_ranks(id_rank: RankArray, windows: WindowArray) -> IntArray:
    """Return the ranks that order windows of equal score, (V,): by the passage's id rank, then by position in its text.

    The ranks of a deleted passage's windows are negative, as its ``id_rank`` (P,) is.
    """
    owners = windows[:, 0]
    first = np.searchsorted(owners, owners)  # (V,): the first vector of each vector's passage
    window_numbers = np.arange(len(owners)) - first
    ranks = id_rank[owners].astype(np.int64)
    ordered: IntArray = np.where(ranks < 0, -1, ranks * (window_numbers.max(initial=0) + 1) + window_numbers)
    return ordered
