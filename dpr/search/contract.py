"""The contracts of retrievers, rerankers and searchable indexes.

A new retriever is a class that derives from `Retriever` and has ``name`` and ``search``, and an entry in
`dpr.search.registry.RETRIEVERS`; a new reranker has ``name`` and ``score``, and an entry in ``RERANKERS`` there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dpr.measured import TokensRead
from dpr.search.explain import explain_by_result
from dpr.types import Explanation, FloatArray, Hit, IntArray, ListExplanation, Passage, PassagePool, TopK

if TYPE_CHECKING:
    from dpr.search.fusion import Fusion
    from dpr.search.reranking import RerankOptions

EXPLAINED_DEPTH = 100
"""Depth to search a list for an explained passage: the greatest k of a request."""


class Retriever(Protocol):
    """Questions in, ranked passages out."""

    name: str
    """Its name, a key of `dpr.search.registry.RETRIEVERS`."""

    fusion: Fusion | None = None
    """How it fuses lists, with the weight of each; None for a retriever of one list."""

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first, equal scores by passage id.

        Raises:
            RequestError: k is below 1, or above the retriever's limit.
        """

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the same hits, (Q, k), and each question's coverage if it is measured.

        Fusion takes these arrays. A retriever that computes arrays returns them directly.
        """
        return top_k_of(self.search(questions, k), k)

    def tokens_read(self, question: str) -> TokensRead | None:  # noqa: ARG002 - for a retriever without a model
        """Return how many tokens of a question a model reads; None without a model, or if it does not say."""
        return None

    def explain_entry(self, question: str, row: int, top: TopK) -> ListExplanation:  # noqa: ARG002 - the result's word
        """Return what this list says of a passage, where ``top`` is the list's result for the question, (1, k).

        A retriever that knows more than ranks and scores, such as terms, tells it here.
        """
        return explain_by_result(row, top)

    def explain(self, question: str, row: int) -> Explanation:
        """Return why a passage has its rank among the first hits, or none among them.

        Raises:
            RequestError: the retriever cannot serve that many hits.
        """
        entry = self.explain_entry(question, row, self.top_k([question], EXPLAINED_DEPTH))
        score = None if entry.rank is None else entry.score
        return Explanation("", self.name, entry.rank, score, {self.name: entry})


class Reranker(Protocol):
    """Questions with passages in, a score of each pair out."""

    name: str
    """The model's directory or hub name."""

    def score(self, questions: Sequence[str], passages: Sequence[Passage]) -> FloatArray:
        """Return the score of each question with the passage at the same position, (N,); higher is more relevant."""


class SearchableIndex(Protocol):
    """An open index, as a benchmark, a tuning or the mining of negatives uses it."""

    @property
    def generation(self) -> str:
        """The name of the generation."""

    @property
    def passages(self) -> PassagePool:
        """The passages that are searched."""

    @property
    def rerank(self) -> RerankOptions | None:
        """The reranker for retrievers whose name ends in ``+rerank``; None: no reranking."""

    def retriever(self, name: str, fusion: Fusion | None = None) -> Retriever:
        """Return a retriever by its name; ``fusion`` is for retrievers that fuse."""


def top_k_of(batch: Sequence[Sequence[Hit]], k: int) -> TopK:
    """Return hits as arrays, (Q, k)."""
    rows: IntArray = np.full((len(batch), k), -1, dtype=np.int64)
    scores: FloatArray = np.full((len(batch), k), -np.inf, dtype=np.float32)
    windows: IntArray = np.full((len(batch), k, 2), -1, dtype=np.int64)
    for question, hits in enumerate(batch):
        for column, hit in enumerate(hits):
            rows[question, column], scores[question, column] = hit.row, hit.score
            if hit.window is not None:
                windows[question, column] = hit.window.start, hit.window.end
    return TopK(rows, scores, windows)
