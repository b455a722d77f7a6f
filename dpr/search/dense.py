"""Dense retrieval: the question's vector against the vectors of the passages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpr.measured import ReadsTokens, TokensRead
from dpr.search.hits import PassageId, hits_of_list, refuse_bad_k
from dpr.types import Encoder, FloatArray, Hit, IntArray, TopK, VectorIndex


class DenseRetriever:
    """BERT_q's vector of a question, and the passages of highest inner product with it."""

    def __init__(self, encoder: Encoder, index: VectorIndex, passage_id: PassageId, name: str = "dense") -> None:
        self.name = name
        self.passage_id = passage_id
        self._encoder = encoder
        self._index = index

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the k best passages, (Q, k)."""
        if not questions:
            return no_questions(k)
        return self._index.search(self._encoder.encode_questions(questions), k)

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question the encoder reads; None where it does not say."""
        return self._encoder.tokens_read(question) if isinstance(self._encoder, ReadsTokens) else None

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first.

        Raises:
            RequestError: k is below 1.
        """
        refuse_bad_k(k)
        return hits_of_list(self.name, self.top_k(questions, k), self.passage_id)


def no_questions(k: int) -> TopK:
    """Return the result of asking nothing, (0, k)."""
    rows: IntArray = np.empty((0, k), dtype=np.int64)
    scores: FloatArray = np.empty((0, k), dtype=np.float32)
    return TopK(rows, scores)
