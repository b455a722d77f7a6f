"""The k best rows of questions: how a result without hits looks, and how the results of several parts become one."""

from __future__ import annotations

from collections.abc import Sequence
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


def merge_top_k(
    parts: Sequence[TopK], ranks: Sequence[npt.NDArray[np.integer[Any]]], first_rows: Sequence[int]
) -> TopK:
    """Return the best hits of all parts of a collection, as many for each question as each part was asked for.

    Args:
        parts: the result of each part, (Q, k) each, with rows that count from its own first passage.
        ranks: the place of each hit's id among the sorted ids of the collection, (Q, k) for each part; of no meaning
            where there is no hit.
        first_rows: the row of each part's first passage in the collection.
    """
    scores = np.concatenate([part.scores for part in parts], axis=1)  # (Q, S * k)
    rows = np.concatenate(
        [np.where(part.rows < 0, -1, part.rows + first) for part, first in zip(parts, first_rows, strict=True)], axis=1
    )
    order = np.lexsort((np.concatenate(ranks, axis=1), -scores, rows < 0), axis=1)[:, : parts[0].rows.shape[1]]
    return TopK(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))
