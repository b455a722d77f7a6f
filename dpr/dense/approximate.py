"""Approximate search: FAISS proposes rows, and their vectors give the exact scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from dpr.dense.exact import ExactIndex
from dpr.dense.gathered import GATHERED_BYTES, GatheredIndex
from dpr.dense.ordering import checked_ordering, checked_questions, inner_products
from dpr.errors import IndexFormatError
from dpr.filters import Filter
from dpr.topk import no_hits
from dpr.types import FloatArray, IntArray, RankArray, TopK, VectorIndex

EFFORTS = (1, 8, 64, 512)
"""Search widths, tried in order, for questions with fewer than k rows, because most rows may be deleted.

If the last one is not enough, all vectors are compared."""


class ApproximateIndex(ABC):
    """An index that may miss rows; the scores of its hits are exact."""

    def __init__(self, vectors: FloatArray, id_rank: RankArray | None) -> None:
        """Search vectors (P, D), mapped or not; ``id_rank`` (P,) orders equal scores; negative: deleted.

        Raises:
            IndexFormatError: there is not one id rank for each vector.
        """
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._ordering = checked_ordering(id_rank, vectors)
        self._alive = _selector_of(self._ordering.id_rank)
        self._alive_count = len(vectors) if id_rank is None else int((id_rank >= 0).sum())

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> VectorIndex:  # noqa: ARG002
        """Return the search over the rows whose rank is not negative, (P,): exact if they are few."""
        rows = np.flatnonzero(id_rank >= 0)
        if len(rows) * self._vectors[:1].nbytes <= GATHERED_BYTES:
            return GatheredIndex(self._vectors, id_rank, rows)
        selection = copy(self)
        selection._ordering = checked_ordering(id_rank, self._vectors)  # noqa: SLF001 - of this class
        selection._alive, selection._alive_count = _selector_of(id_rank), len(rows)  # noqa: SLF001 - of this class
        return selection

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return about the k rows of highest inner product for question vectors (Q, D), with their exact scores.

        Raises:
            IndexFormatError: the questions' dimension is not the index's.
            RequestError: k is below 1.
        """
        questions = checked_questions(questions, self._vectors)
        top = no_hits(len(questions), k)
        short, target = np.arange(len(questions)), min(k, self._alive_count)
        for effort in EFFORTS:
            if len(short) == 0 or target == 0:
                break
            for index, rows in zip(short, self._propose(questions[short], k, effort), strict=True):
                rows = rows[rows >= 0]  # -1 is FAISS's padding
                scores = inner_products(self._vectors, rows, questions[index])
                best_rows, best_scores = self._ordering.first(rows, scores, k)
                top.rows[index, : len(best_rows)] = best_rows
                top.scores[index, : len(best_rows)] = best_scores
            short = short[(top.rows[short, :target] < 0).any(axis=1)]
        if len(short) and target:
            self._search_all(questions, short, k, top)
        return top

    def _search_all(self, questions: FloatArray, indexes: IntArray, k: int, top: TopK) -> None:
        """Write the exact best of all rows for some questions: many equal vectors can disconnect a graph."""
        exact = ExactIndex(self._vectors, self._ordering.id_rank).search(questions[indexes], k)
        for index, rows in zip(indexes, exact.rows, strict=True):
            rows = rows[rows >= 0]
            scores = inner_products(self._vectors, rows, questions[index])
            top.rows[index, : len(rows)], top.scores[index, : len(rows)] = self._ordering.first(rows, scores, k)

    @abstractmethod
    def _propose(self, questions: FloatArray, k: int, effort: int) -> IntArray:
        """Return rows that may be among the best k of each question, (Q, n), -1 where there are no more.

        ``effort`` multiplies the usual width of the search.
        """


def read_faiss(path: Path, flags: int, index_class: type[Any], shape: tuple[int, ...]) -> Any:
    """Return a FAISS index by inner product from a file.

    Raises:
        IndexFormatError: the file is absent, damaged, of another index type, or of vectors of another shape.
    """
    try:
        index: Any = faiss.read_index(str(path), flags)
    except RuntimeError as error:
        cause = str(error).splitlines()[0]
        raise IndexFormatError(f"{path} cannot be read by FAISS ({cause}); build the index again") from error
    if not isinstance(index, index_class) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise IndexFormatError(f"{path} is not an {index_class.__name__} by inner product; build the index again")
    check_shape(index, shape)
    return index


def check_shape(index: Any, shape: tuple[int, ...]) -> None:
    """Refuse a FAISS index of other vectors.

    Raises:
        IndexFormatError: the number of vectors or their dimension differs.
    """
    if (index.ntotal, index.d) != shape:
        raise IndexFormatError(
            f"the FAISS index is of {index.ntotal} vectors of dimension {index.d}, but there are {shape[0]} of "
            f"dimension {shape[1]}; build the index again"
        )


def _selector_of(id_rank: RankArray | None) -> faiss.IDSelectorBitmap | None:
    """Return FAISS's selector of the rows that are not deleted; None where no row is."""
    if id_rank is None or (id_rank >= 0).all():
        return None
    return faiss.IDSelectorBitmap(np.packbits(id_rank >= 0, bitorder="little"))
