"""Long passages in windows: vectors are searched, and each passage counts once, by the best of its windows."""

from __future__ import annotations

import numpy as np

from dpr.topk import no_hits
from dpr.types import FloatArray, IntArray, RankArray, TopK, VectorIndex, WindowArray


class WindowedIndex:
    """The best passages of an index over the vectors of their windows.

    A passage's score is the highest of its windows'. The result is as exact as the index over the vectors: for an exact
    one it equals scoring every window.
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

        As many windows are fetched as k different passages take: twice k, and twice as many again where that was not
        enough.

        Raises:
            IndexFormatError: the questions' dimension is not the index's.
            RequestError: k is below 1.
        """
        top = no_hits(len(questions), k)
        spans: IntArray = np.full((len(questions), k, 2), -1, dtype=np.int64)
        open_places, width = np.arange(len(questions)), min(2 * k, len(self._windows))
        while len(open_places):
            fetched = self._index.search(questions[open_places], width)
            is_settled = np.zeros(len(open_places), dtype=np.bool_)
            for number, place in enumerate(open_places):
                vectors = fetched.rows[number][fetched.rows[number] >= 0]  # best first
                first = np.sort(np.unique(self._windows[vectors, 0], return_index=True)[1])[:k]
                best = vectors[first]  # each passage's best window
                top.rows[place, : len(best)] = self._windows[best, 0]
                top.scores[place, : len(best)] = fetched.scores[number, first]
                spans[place, : len(best)] = np.where(self._is_whole[best, np.newaxis], -1, self._windows[best, 1:])
                is_settled[number] = len(best) == k or len(vectors) < width or width == len(self._windows)
            open_places = open_places[~is_settled]
            width = min(2 * width, len(self._windows))
        return TopK(top.rows, top.scores, spans)


def window_ranks(id_rank: RankArray, windows: WindowArray) -> IntArray:
    """Return what orders the windows of equal score, (V,): the rank of the passage's id, then the place in its text.

    ``id_rank`` (P,) is negative for a passage that is deleted, and so are the ranks of its windows.
    """
    owners = windows[:, 0]
    first = np.searchsorted(owners, owners)  # (V,): the first vector of each vector's passage
    places = np.arange(len(owners)) - first
    ranks = id_rank[owners].astype(np.int64)
    ordered: IntArray = np.where(ranks < 0, -1, ranks * (places.max(initial=0) + 1) + places)
    return ordered
