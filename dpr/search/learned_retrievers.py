"""The retrievers of learned lists: SPLADE's weighted terms, and ColBERT's token vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from dpr.measured import ReadsTokens, TokensRead
from dpr.search.contract import Retriever
from dpr.search.explain import explain_by_result
from dpr.search.retrievers import PassageId, hits_of_list, no_questions, refuse_bad_k
from dpr.types import Hit, ListExplanation, QuestionEncoder, TermShare, TopK

if TYPE_CHECKING:
    from dpr.dense.maxsim import MaxSimIndex
    from dpr.models.colbert import ColbertEncoder
    from dpr.models.splade import SpladeEncoder
    from dpr.sparse.impact_index import ImpactIndex


class _Encoder(QuestionEncoder[Any], ReadsTokens, Protocol):
    """A model of a learned list."""


class _Index(Protocol):
    """A learned list: it is searched with what its model makes of questions."""

    def search(self, questions: Any, k: int) -> TopK: ...


class LearnedRetriever(Retriever):
    """Search a learned list with what its model makes of the questions."""

    def __init__(self, encoder: _Encoder, index: _Index, passage_id: PassageId) -> None:
        self._encoder = encoder
        self._index = index
        self._passage_id = passage_id

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the k best passages, (Q, k)."""
        return self._index.search(self._encoder.encode_questions(questions), k) if questions else no_questions(k)

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first.

        Raises:
            RequestError: k is below 1.
        """
        refuse_bad_k(k)
        return hits_of_list(self.name, self.top_k(questions, k), self._passage_id)

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question the model reads."""
        return self._encoder.tokens_read(question)


class SpladeRetriever(LearnedRetriever):
    """Search by the terms that a model weighs for the question and for each passage."""

    name = "splade"
    _encoder: SpladeEncoder
    _index: ImpactIndex

    def explain_entry(self, question: str, row: int, top: TopK) -> ListExplanation:
        """Return a passage's rank, its score, and the share of each term, which add up to the score.

        Only terms that the passage has are listed: a model weighs hundreds for a question.
        """
        entry = explain_by_result(row, top)
        weighed = self._encoder.encode_questions([question])
        shares = self._index.shares(weighed, row)
        is_shared = shares > 0
        numbers = weighed.terms[is_shared].tolist()
        terms = sorted(
            (
                TermShare(term, float(share), 1, 1, frequency)
                for term, share, frequency in zip(
                    self._encoder.terms(numbers),
                    shares[is_shared].tolist(),
                    self._index.document_frequencies(numbers).tolist(),
                    strict=True,
                )
            ),
            key=lambda item: (-item.share, item.term),
        )
        score = math.fsum(term.share for term in terms) if entry.score is None else entry.score
        return replace(entry, score=score, terms=tuple(terms))


class ColbertRetriever(LearnedRetriever):
    """Search by late interaction: each token of the question with the nearest token of the passage."""

    name = "colbert"
    _encoder: ColbertEncoder
    _index: MaxSimIndex

    def explain_entry(self, question: str, row: int, top: TopK) -> ListExplanation:
        """Return a passage's rank and its score, also of one that is not among the hits."""
        entry = explain_by_result(row, top)
        if entry.rank is not None:
            return entry
        return replace(entry, score=self._index.score(self._encoder.encode_questions([question]), row))


LEARNED_RETRIEVERS: dict[str, type[LearnedRetriever]] = {
    retriever.name: retriever for retriever in (SpladeRetriever, ColbertRetriever)
}
"""The retriever of each learned list by its name."""
