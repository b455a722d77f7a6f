"""Search over a few rows of a larger matrix: their vectors compared one by one, later by codes of a bit a number."""

from __future__ import annotations

from threading import Lock

import faiss
import numpy as np

from dpr.dense.ordering import checked_ordering, checked_questions, inner_products
from dpr.filters import Filter
from dpr.topk import no_hits
from dpr.types import FloatArray, IntArray, RankArray, TopK

GATHERED_BYTES = 32 * 1024 * 1024
"""Size of the vectors up to which rows are few: 21,845 of 384 numbers."""

CODED_BYTES = 3 * 1024 * 1024
"""Size of the vectors from which codes are faster: 2,048 of 384 numbers."""

CODED_DIMENSION = 256
"""Numbers of a vector from which a bit for each says enough of it."""

CODED_AFTER = 100
"""Questions that are compared with the vectors first: to make codes takes as long as some of these."""

PROPOSALS, PROPOSALS_FOR_EACH_HIT = 128, 4
"""Rows that the codes propose: over 10,000 passages of KorQuAD, 128 have 99.9 % of the exact first ten, 64 98.5 %."""


LEAST_FROM_MEAN = 1e-4


class GatheredIndex:
    """The rows of highest inner product among some rows of a larger matrix, with their exact scores.

    Their vectors are copied together, and all are compared. For many rows that are searched again and again, RaBitQ's
    codes (Gao and Long, 2024) take the place of the copy: they propose rows, which their vectors order. That takes a
    third of the time and a thirtieth of the memory.
    """

    def __init__(self, vectors: FloatArray, id_rank: RankArray, rows: IntArray) -> None:
        """Search ``rows`` (n,) of ``vectors`` (P, D); ``id_rank`` (P,) orders equal scores."""
        from dpr.dense.faiss_index import FlatIndex

        self._vectors = vectors
        self._ordering = checked_ordering(id_rank, vectors)
        self._rows = rows
        # As a selection of all of them: FAISS then compares in this thread, which takes less than waking others.
        self._exact: FlatIndex | None = FlatIndex(vectors[rows], id_rank[rows]).selecting(id_rank[rows])
        self._codes: faiss.IndexRaBitQFastScan | None = None
        is_coded = len(rows) * vectors[:1].nbytes >= CODED_BYTES and vectors.shape[1] >= CODED_DIMENSION
        self._exact_questions = CODED_AFTER if is_coded else None  # still to be compared with the vectors
        self._coding = Lock()

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k rows of highest inner product for question vectors (Q, D).

        Raises:
            IndexFormatError: the questions' dimension is not the index's.
            RequestError: k is below 1.
        """
        if not len(self._rows):
            return no_hits(len(questions), k)
        questions = checked_questions(questions, self._vectors)
        exact, codes = self._exact, self._codes
        if exact is None:
            return self._search_codes(codes, questions, k)
        self._count(len(questions))
        top = exact.search(questions, k)
        return TopK(np.where(top.rows < 0, -1, self._rows[np.maximum(top.rows, 0)]), top.scores)

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> GatheredIndex:  # noqa: ARG002
        """Return the search over the rows whose rank is not negative, (P,)."""
        return GatheredIndex(self._vectors, id_rank, np.flatnonzero(id_rank >= 0))

    def _count(self, questions: int) -> None:
        """Count questions, and make the codes when they are enough, in one thread."""
        if self._exact_questions is None:
            return
        self._exact_questions -= questions
        if self._exact_questions > 0 or not self._coding.acquire(blocking=False):
            return
        codes = faiss.IndexRaBitQFastScan(self._vectors.shape[1], faiss.METRIC_INNER_PRODUCT)
        gathered = np.ascontiguousarray(self._vectors[self._rows], dtype=np.float32)
        if not np.linalg.norm(gathered - gathered.mean(axis=0), axis=1).min() > LEAST_FROM_MEAN:
            return  # a vector that is the mean has no direction from it to code
        codes.train(gathered)  # the mean alone
        codes.add(gathered)
        self._codes, self._exact = codes, None  # the lock stays held: codes are made once

    def _search_codes(self, codes: faiss.IndexRaBitQFastScan, questions: FloatArray, k: int) -> TopK:
        top = no_hits(len(questions), k)
        width = min(PROPOSALS + PROPOSALS_FOR_EACH_HIT * k, len(self._rows))
        for number, slots in enumerate(codes.search(questions, width)[1]):
            proposals = self._rows[slots[slots >= 0]]  # -1 is FAISS's padding
            scores = inner_products(self._vectors, proposals, questions[number])
            rows, best = self._ordering.first(proposals, scores, k)
            top.rows[number, : len(rows)], top.scores[number, : len(rows)] = rows, best
        return top
