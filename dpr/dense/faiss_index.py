"""FAISS over the vectors file: exact (flat), and approximate by a graph (HNSW). No vector is stored twice."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

from dpr.dense.approximate import ApproximateIndex, check_shape, read_faiss
from dpr.dense.ordering import checked_ordering, checked_questions, inner_products
from dpr.dense.selection import Selection
from dpr.filters import Filter
from dpr.topk import no_hits
from dpr.types import FloatArray, IntArray, RankArray, TopK

MARGIN = 16
"""Candidates beyond the k-th, so that all rows with a score equal to the k-th are compared."""

FAISS_PRECISION = 1e-6
"""Assumed error of FAISS's float32 sums, as a share of the score."""


class FlatIndex:
    """Exact search: FAISS proposes by its fast matrix product, and the proposed rows are scored one by one."""

    def __init__(self, vectors: FloatArray, id_rank: RankArray | None = None) -> None:
        """Search vectors (P, D) without copying them, mapped or not; ``id_rank`` (P,) orders equal scores.

        Raises:
            IndexFormatError: there is not one id rank for each vector.
        """
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._ordering = checked_ordering(id_rank, vectors)
        self._selection: Selection | None = None

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> FlatIndex:  # noqa: ARG002
        """Return the search over the rows whose rank is not negative, (P,): the vectors of others are not read."""
        selection = FlatIndex(self._vectors, id_rank)
        selection._selection = Selection.of_ranks(id_rank)
        return selection

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k rows of highest inner product for question vectors (Q, D), as ``ExactIndex`` would.

        Raises:
            IndexFormatError: the questions' dimension is not the index's.
            RequestError: k is below 1.
        """
        questions = checked_questions(questions, self._vectors)
        top = no_hits(len(questions), k)
        open_questions, width = np.arange(len(questions)), min(k + MARGIN, self._searched)
        while len(open_questions) and width:
            proposals = self._propose(questions[open_questions], width)
            is_settled = [
                self._settle(questions[number], rows, k, top, int(number))
                for number, rows in zip(open_questions, proposals, strict=True)
            ]
            open_questions = open_questions[~np.array(is_settled)]
            width = min(2 * width, self._searched)
        return top

    @property
    def _searched(self) -> int:
        """The number of vectors that a search compares."""
        return len(self._vectors) if self._selection is None else self._selection.count

    def _propose(self, questions: FloatArray, width: int) -> IntArray:
        rows: IntArray
        if self._selection is not None:
            parameters = faiss.SearchParameters(sel=self._selection.selector)
            rows = _storage_over(self._vectors).search(questions, width, params=parameters)[1]
            return rows
        rows = faiss.knn(questions, self._vectors, width, metric=faiss.METRIC_INNER_PRODUCT)[1]
        return rows  # (Q, width)

    def _settle(self, question: FloatArray, candidates: IntArray, k: int, top: TopK, number: int) -> bool:
        """Write the best candidates; return whether no other row can score as high as the last of them."""
        scores = inner_products(self._vectors, candidates, question)
        best_rows, best_scores = self._ordering.first(candidates, scores, k)
        top.rows[number, : len(best_rows)] = best_rows
        top.scores[number, : len(best_rows)] = best_scores
        if len(candidates) == self._searched:
            return True
        return len(best_rows) == k and bool(scores.min() < best_scores[-1] - self._error_bound(question, scores))

    def _error_bound(self, question: FloatArray, scores: FloatArray) -> float:  # noqa: ARG002
        """Return how far the scores of proposals may be from the exact ones."""
        return FAISS_PRECISION * float(np.abs(scores).max())


class HNSWIndex(ApproximateIndex):
    """Approximate search along a graph of near vectors, whose file holds the graph alone."""

    def __init__(
        self, vectors: FloatArray, graph: faiss.IndexHNSW, ef_search: int, id_rank: RankArray | None = None
    ) -> None:
        """Search vectors (P, D), mapped or not, along a graph that was read without them.

        Args:
            vectors: the passage vectors that the graph was built for.
            graph: the graph; it refers to the vectors, so both live as long as this index.
            ef_search: the number of candidates of a search; at least k.
            id_rank: the rank of each passage's id among the sorted ids, (P,); the row itself without it.

        Raises:
            IndexFormatError: the graph or the ranks are not of these vectors.
        """
        check_shape(graph, vectors.shape)
        super().__init__(vectors, id_rank)
        self._storage = _storage_over(self._vectors)
        self._graph = graph
        self._graph.storage = self._storage
        self._ef_search = ef_search

    @classmethod
    def open(cls, vectors: FloatArray, path: Path, ef_search: int, id_rank: RankArray | None = None) -> HNSWIndex:
        """Map the graph that ``write_graph`` wrote.

        Raises:
            IndexFormatError: the file is absent, damaged, no HNSW graph, or of other vectors.
        """
        graph = read_faiss(path, faiss.IO_FLAG_MMAP_IFC, faiss.IndexHNSW, vectors.shape)
        return cls(vectors, graph, ef_search, id_rank)

    def _propose(self, questions: FloatArray, k: int, effort: int) -> IntArray:
        width = min(k, len(self._vectors))
        parameters = faiss.SearchParametersHNSW()
        parameters.efSearch = effort * max(self._ef_search, width)
        parameters.sel = self._alive
        rows: IntArray = self._graph.search(questions, width, params=parameters)[1]
        return rows


def write_graph(vectors: FloatArray, path: Path, m: int, ef_construction: int) -> None:
    """Build an HNSW graph over vectors (P, D), with ``m`` neighbours a node, and write it without the vectors.

    FAISS holds a copy of the vectors in memory while it builds.
    """
    index = faiss.IndexHNSWFlat(vectors.shape[1], m, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = ef_construction
    index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    faiss.write_index(index, str(path), faiss.IO_FLAG_SKIP_STORAGE)


def _storage_over(vectors: FloatArray) -> faiss.IndexFlatIP:
    """Return FAISS's storage of vectors as a view of an array, which must outlive it."""
    storage = faiss.IndexFlatIP(vectors.shape[1])
    unowned = storage.codes.owner  # a null pointer of the type that a view asks for
    bytes_of_vectors = faiss.swig_ptr(vectors.reshape(-1).view(np.uint8))
    storage.codes = faiss.MaybeOwnedVectorUInt8.create_view(bytes_of_vectors, vectors.nbytes, unowned)
    storage.ntotal = len(vectors)
    return storage
