"""Sparse retrieval: the question's terms against the weighted terms of the passages."""

from __future__ import annotations

from collections.abc import Sequence

from dpr.search.hits import PassageId, hits_of_list, refuse_bad_k
from dpr.sparse.spellings import as_passages_spell
from dpr.types import Analyzer, DoubleArray, Hit, SparseIndex, TopK


class SparseRetriever:
    """An analyzer's terms of a question, and the passages whose shared terms weigh most (BM25, TF-IDF)."""

    def __init__(self, name: str, analyzer: Analyzer, index: SparseIndex, passage_id: PassageId) -> None:
        self.name = name
        self.passage_id = passage_id
        self._analyzer = analyzer
        self._index = index

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the k best passages, (Q, k)."""
        return self._index.search(self._terms(questions), k)

    def top_k_and_coverage(self, questions: Sequence[str], k: int) -> tuple[TopK, DoubleArray]:
        """Return the k best passages, (Q, k), and how much of each question its best one covers, (Q,)."""
        terms = self._terms(questions)
        top = self._index.search(terms, k)
        return top, self._index.coverage(terms, top.rows[:, 0])

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first.

        Raises:
            RequestError: k is below 1.
        """
        refuse_bad_k(k)
        return hits_of_list(self.name, self.top_k(questions, k), self.passage_id)

    def _terms(self, questions: Sequence[str]) -> list[list[str]]:
        words = list(self._analyzer.questions(questions))
        return as_passages_spell(words, self._index, self._analyzer.halves)
