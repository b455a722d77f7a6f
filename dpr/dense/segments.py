"""Several vector indexes, each over a segment of a collection, searched as one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from dpr.filters import Filter
from dpr.topk import merge_top_k
from dpr.types import FloatArray, RankArray, TopK, VectorIndex


class SegmentedIndex:
    """The best rows of all segments; a row counts through the segments in their order."""

    def __init__(self, indexes: Sequence[VectorIndex], ranks: Sequence[RankArray]) -> None:
        """Search at least one index.

        Args:
            indexes: one for each segment.
            ranks: for each segment, the rank of each passage's id among the sorted ids of the collection; negative for
                a deleted passage. The segment's index orders equal scores by the same ranks.
        """
        self._indexes = tuple(indexes)
        self._ranks = tuple(ranks)

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k rows of highest inner product for question vectors (Q, D).

        Raises:
            IndexFormatError: the questions' dimension is not the index's.
            RequestError: k is below 1.
        """
        return merge_top_k([index.search(questions, k) for index in self._indexes], self._ranks)

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> SegmentedIndex:
        """Return the search over the rows whose rank is not negative, (P,)."""
        ends = accumulate(map(len, self._ranks))
        ranks = [id_rank[end - len(of_segment) : end] for of_segment, end in zip(self._ranks, ends, strict=True)]
        pairs = zip(self._indexes, ranks, strict=True)
        return SegmentedIndex([index.selecting(of_segment, condition) for index, of_segment in pairs], ranks)
