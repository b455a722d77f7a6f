"""Fit the weights of the retrieval score and the relevance head on questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpr.errors import DataError
from dpr.evaluation.answers import AnswerRule
from dpr.evaluation.metrics import Values
from dpr.reader.extractive.merge import PassageSpans, Weights, rank_answers
from dpr.reader.extractive.spans import standardize
from dpr.types import BoolArray, Candidates, FloatArray

RETRIEVAL_WEIGHTS = tuple(np.arange(0, 8.01, 0.25).tolist())
RELEVANCE_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
_AS_GOOD = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class FittedWeights:
    """The fitted weights, and the F1 of each of the F fitted questions with them and by the reader's score alone.

    ``is_fitted``, (Q,), marks the fitted questions: those with a gold answer and a passage.
    """

    weights: Weights
    f1: Values
    reader_only_f1: Values
    is_fitted: BoolArray


def fit_weights(
    items: Sequence[Candidates],
    passage_spans: Sequence[Sequence[PassageSpans]],
    golds: Sequence[Sequence[str]],
    rule: AnswerRule,
) -> FittedWeights:
    """Return the weights of a grid with the highest mean F1 of the best answer.

    Of the weights within a tenth of a point of the best, the middle ones are used: the curve is flat there, and its top
    is chance.

    Args:
        items: questions with their passages and retrieval scores.
        passage_spans: the spans of each passage of each question.
        golds: the gold answers of each question.
        rule: the answer rule.

    Raises:
        DataError: no question has a gold answer and a passage to read.
    """
    table = _Table.from_spans(items, passage_spans, golds, rule)
    grid = [
        Weights(retrieval, relevance)
        for relevance in (RELEVANCE_WEIGHTS if table.relevance.any() else (0.0,))
        for retrieval in RETRIEVAL_WEIGHTS
    ]
    means = np.array([table.best_f1(weights).mean() for weights in grid])
    near_best = [weights for weights, mean in zip(grid, means, strict=True) if mean >= means.max() - _AS_GOOD]
    relevance = _middle(sorted({weights.relevance for weights in near_best}))
    retrieval = _middle([weights.retrieval for weights in near_best if weights.relevance == relevance])
    weights = Weights(retrieval, relevance)
    is_fitted = np.array([_is_fitted(item, answers) for item, answers in zip(items, golds, strict=True)])
    return FittedWeights(weights, table.best_f1(weights), table.best_f1(Weights()), is_fitted)


def _middle(values: Sequence[float]) -> float:
    return values[len(values) // 2]


def _is_fitted(item: Candidates, golds: Sequence[str]) -> bool:
    return bool(golds and item.passages)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The best span of each of P passages of Q questions: arrays (Q, P), with a margin of -inf without a span."""

    margin: FloatArray
    retrieval: FloatArray
    relevance: FloatArray
    f1: FloatArray

    @classmethod
    def from_spans(
        cls,
        items: Sequence[Candidates],
        passage_spans: Sequence[Sequence[PassageSpans]],
        golds: Sequence[Sequence[str]],
        rule: AnswerRule,
    ) -> _Table:
        """Return the table of the questions with a gold answer and a passage."""
        rows = [row for row in zip(items, passage_spans, golds, strict=True) if _is_fitted(row[0], row[2])]
        if not rows:
            raise DataError("no question has both a gold answer and a passage to read; give questions with answers")
        shape = (len(rows), max(len(item.passages) for item, _, _ in rows))
        table = cls(np.full(shape, -np.inf, dtype=np.float32), *(np.zeros(shape, dtype=np.float32) for _ in range(3)))
        for row, (item, spans, answers) in enumerate(rows):
            table._fill(row, item, spans, answers, rule)
        return table

    def _fill(
        self, row: int, item: Candidates, passage_spans: Sequence[PassageSpans], golds: Sequence[str], rule: AnswerRule
    ) -> None:
        self.retrieval[row, : len(passage_spans)] = standardize(np.array(item.scores, dtype=np.float32))
        for column, (passage, spans) in enumerate(zip(item.passages, passage_spans, strict=True)):
            self.relevance[row, column] = spans.relevance
            for answer in rank_answers(Candidates(item.question, (passage,), (0.0,)), [spans], Weights(), 1):
                self.margin[row, column] = answer.span_score - answer.null_score
                self.f1[row, column] = rule.f1(answer.text, golds)

    def best_f1(self, weights: Weights) -> Values:
        """Return the F1 of each question's best answer, (Q,)."""
        scores = self.margin + weights.retrieval * self.retrieval + weights.relevance * self.relevance
        best: Values = self.f1[np.arange(len(scores)), scores.argmax(axis=1)].astype(np.float64)
        return best
