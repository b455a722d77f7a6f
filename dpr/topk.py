"""The k best rows of questions: results without hits, and rows that count through several segments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from dpr.errors import RequestError
from dpr.types import TopK


def no_hits(questions: int, k: int) -> TopK:
    """Return a result without hits, (questions, k), to be filled.

    Raises:
        RequestError: k is below 1.
    """
    if k < 1:
        raise RequestError(f"k is {k}, but a search returns at least one hit; ask for k >= 1", field="k")
    return TopK(np.full((questions, k), -1, np.int64), np.full((questions, k), -np.inf, np.float32))


def segment_of(row: int, sizes: Sequence[int]) -> tuple[int, int]:
    """Return the segment of a row, and the row in it, where rows count through segments of these sizes."""
    ends = list(accumulate(sizes))
    number = bisect_right(ends, row)
    return number, row - ends[number] + sizes[number]


def merge_top_k(results: Sequence[TopK], ranks: Sequence[npt.NDArray[np.integer[Any]]]) -> TopK:
    """Return the best hits of all segments of a collection, k for each question.

    Args:
        results: the result of each segment, (Q, k), with rows that count from its first passage; at least one.
        ranks: for each segment, the rank of each row's id among the sorted ids of the collection. A row of the merged
            result counts through the segments in their order.
    """
    ends = accumulate(map(len, ranks), initial=0)
    rows = [np.where(result.rows < 0, -1, result.rows + first) for result, first in zip(results, ends, strict=False)]
    # a slot without a hit may have any rank: its score puts it last
    of_hits = [
        rank[np.maximum(result.rows, 0)] if len(rank) else result.rows
        for result, rank in zip(results, ranks, strict=True)
    ]
    scores = np.concatenate([result.scores for result in results], axis=1)  # (Q, S * k)
    order = np.lexsort((np.concatenate(of_hits, axis=1), -scores), axis=1)[:, : results[0].rows.shape[1]]
    merged_rows = np.concatenate(rows, axis=1)
    windows = None
    if any(result.windows is not None for result in results):
        spans = [
            np.full((*result.rows.shape, 2), -1) if result.windows is None else result.windows for result in results
        ]
        windows = np.take_along_axis(np.concatenate(spans, axis=1), order[:, :, np.newaxis], axis=1)
    return TopK(np.take_along_axis(merged_rows, order, axis=1), np.take_along_axis(scores, order, axis=1), windows)
