"""Late interaction: the exact MaxSim of every question with every passage (Khattab & Zaharia 2020).

A score is the sum, over the question's token vectors, of the greatest inner product with a token vector of the passage.
All passages are scored; nothing is pruned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.dense.ordering import Ordering
from dpr.dense.token_vectors import StoredTokens
from dpr.errors import IndexFormatError
from dpr.topk import merge_top_k, no_hits, segment_of
from dpr.types import FloatArray, IntArray, RankArray, TokenVectors, TopK

TOKENS_AT_A_TIME = 32768
"""Token vectors that are made float32 together: 16 MiB of 128 numbers each."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenSegment:
    """The token vectors of a segment, and the rank of each of its passages' ids; negative for a deleted passage."""

    tokens: StoredTokens
    id_rank: RankArray


class MaxSimIndex:
    """Exact search by MaxSim over the token vectors of segments; rows count through the segments."""

    def __init__(self, segments: Sequence[TokenSegment]) -> None:
        self._segments = tuple(segments)

    def search(self, questions: TokenVectors, k: int) -> TopK:
        """Return the k best rows for each question.

        A question is scored by itself, so that its scores do not depend on its batch.

        Raises:
            RequestError: k is below 1.
            IndexFormatError: the questions' vectors have another length.
        """
        results = [no_hits(len(questions), k) for _ in self._segments]
        for segment, top in zip(self._segments, results, strict=True):
            ordering = Ordering(segment.id_rank)
            for number, scores in enumerate(self._scores(segment, questions)):
                rows: IntArray = np.arange(len(scores))
                best_rows, best_scores = ordering.first(rows, scores, k)
                top.rows[number, : len(best_rows)] = best_rows
                top.scores[number, : len(best_rows)] = best_scores
        return merge_top_k(results, [segment.id_rank for segment in self._segments])

    def score(self, question: TokenVectors, row: int) -> float:
        """Return the score of a row's passage for one question."""
        number, own_row = segment_of(row, [len(segment.id_rank) for segment in self._segments])
        tokens, id_rank = self._segments[number].tokens, self._segments[number].id_rank[own_row : own_row + 1]
        starts = tokens.starts[own_row : own_row + 2]
        one = StoredTokens(starts - starts[0], tokens.vectors[starts[0] : starts[1]])
        return float(self._scores(TokenSegment(one, id_rank), question)[0, 0])

    @staticmethod
    def _scores(segment: TokenSegment, questions: TokenVectors) -> FloatArray:
        """Return the score of every passage of a segment for every question, (Q, P)."""
        tokens = segment.tokens
        if len(questions.vectors) and questions.vectors.shape[1] != tokens.vectors.shape[1]:
            raise IndexFormatError(
                f"the question's token vectors have {questions.vectors.shape[1]} numbers, but the index holds vectors "
                f"of {tokens.vectors.shape[1]}; use the model that the index was built with"
            )
        scores: FloatArray = np.zeros((len(questions), len(tokens.starts) - 1), dtype=np.float32)
        of_questions = [
            np.ascontiguousarray(questions.vectors[start:end].T, dtype=np.float32)
            for start, end in zip(questions.starts[:-1].tolist(), questions.starts[1:].tolist(), strict=True)
        ]
        for first, last in _blocks(tokens.starts):
            starts = tokens.starts[first : last + 1]
            block = tokens.vectors[starts[0] : starts[-1]].astype(np.float32)  # (n, D)
            is_filled = np.diff(starts) > 0
            heads = (starts[:-1] - starts[0])[is_filled]
            for number, vectors in enumerate(of_questions):
                if len(heads) and vectors.shape[1]:
                    similarities = block @ vectors  # (n, tokens of the question)
                    best = np.maximum.reduceat(similarities, heads, axis=0)  # (passages, tokens of the question)
                    scores[number, first:last][is_filled] = best.sum(axis=1)
        return scores


def _blocks(starts: IntArray) -> Iterator[tuple[int, int]]:
    """Yield runs of passages of about `TOKENS_AT_A_TIME` vectors: the first one, and the one after the last."""
    first, passages = 0, len(starts) - 1
    while first < passages:
        last = int(np.searchsorted(starts, starts[first] + TOKENS_AT_A_TIME, side="right")) - 1
        last = min(passages, max(last, first + 1))
        yield first, last
        first = last
