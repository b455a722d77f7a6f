"""The k best rows of questions: how a result without hits looks, and how the results of several parts become one."""

from __future__ import annotations

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


def merge_top_k(parts: Sequence[TopK], ranks: Sequence[npt.NDArray[np.integer[Any]]]) -> TopK:
    """Return the best hits of all parts of a collection, as many for each question as each part was asked for.

    Args:
        parts: the result of each part, (Q, k) each, with rows that count from its own first passage; at least one.
        ranks: for each part, the place of each row's id among the sorted ids of the collection. A row of the result
            counts through the parts in their order.
    """
    ends = accumulate(map(len, ranks), initial=0)
    rows = [np.where(part.rows < 0, -1, part.rows + first) for part, first in zip(parts, ends, strict=False)]
    # a place without a hit may have any rank: its score puts it last
    of_hits = [
        rank[np.maximum(part.rows, 0)] if len(rank) else part.rows for part, rank in zip(parts, ranks, strict=True)
    ]
    scores = np.concatenate([part.scores for part in parts], axis=1)  # (Q, S * k)
    order = np.lexsort((np.concatenate(of_hits, axis=1), -scores), axis=1)[:, : parts[0].rows.shape[1]]
    found = np.concatenate(rows, axis=1)
    windows = None
    if any(part.windows is not None for part in parts):
        spans = [np.full((*part.rows.shape, 2), -1) if part.windows is None else part.windows for part in parts]
        windows = np.take_along_axis(np.concatenate(spans, axis=1), order[:, :, np.newaxis], axis=1)
    return TopK(np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1), windows)
