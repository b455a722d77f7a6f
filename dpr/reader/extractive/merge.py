"""Merge spans across windows, and rank them across passages; numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpr.reader.extractive.bounds import answer_bounds, crosses_sentence
from dpr.reader.extractive.spans import standardize
from dpr.reader.overlap import share_characters
from dpr.types import Answer, Candidates, FloatArray, IntArray, Passage


@dataclass(frozen=True, slots=True, eq=False)
class PassageSpans:
    """The S candidate spans of a passage, best first, of characters ``[start, end)``.

    ``null_score`` is the score of no answer, ``relevance`` the logit of the relevance head (0 without one).
    """

    starts: IntArray
    ends: IntArray
    scores: FloatArray
    null_score: float
    relevance: float = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of a passage's scores, in logits, that are added to a span's margin to rank answers across passages.

    ``retrieval`` is the weight of the retrieval score, standardized over the question's passages, and ``relevance``
    that of the relevance head's logit.
    """

    retrieval: float = 0.0
    relevance: float = 0.0


def merge_windows(starts: IntArray, ends: IntArray, scores: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the spans of a passage's W windows, (W, n) each, as one list, (S,), best first.

    A span in two windows counts once, with its better score. If windows share at least as many tokens as an answer may
    have, every span of the passage is completely in a window, so the result is that of one long window. Spans with a
    score of -inf are dropped. Equal scores are ordered by position.
    """
    filled = np.isfinite(scores)
    starts, ends, scores = starts[filled], ends[filled], scores[filled]
    order = np.lexsort((ends, starts, -scores))
    bounds = np.stack([starts[order], ends[order]], axis=1)
    _, first = np.unique(bounds, axis=0, return_index=True)
    order = order[np.sort(first)]
    return starts[order], ends[order], scores[order]


def rank_answers(
    item: Candidates, passage_spans: Sequence[PassageSpans], weights: Weights, n_best: int
) -> list[Answer]:
    """Return at most ``n_best`` answers over all passages, best first.

    No two of them share a character of a document: of answers in overlapping chunks, only the better one stays. None
    crosses the end of a sentence or has half of a pair of brackets at its ends.

    Args:
        item: the question, its passages and their retrieval scores.
        passage_spans: the spans of each passage.
        weights: see `Weights`.
        n_best: the largest number of answers.
    """
    bonuses = passage_bonuses(item, passage_spans, weights).tolist()
    scored = [
        (span_score - spans.null_score + bonus, passage.id, start, end, number, span_score)
        for number, (passage, spans, bonus) in enumerate(zip(item.passages, passage_spans, bonuses, strict=True))
        for start, end, span_score in zip(
            spans.starts.tolist(), spans.ends.tolist(), spans.scores.tolist(), strict=True
        )
    ]
    scored.sort(key=lambda span: (-span[0], *span[1:4]))
    ranked: list[tuple[Passage, Answer]] = []
    for score, passage_id, start, end, number, span_score in scored:
        if len(ranked) == n_best:
            break
        passage = item.passages[number]
        start, end = answer_bounds(passage.text, start, end)
        if start == end or crosses_sentence(passage.text, start, end):
            continue
        if not any(share_characters(passage, start, end, *better) for better in ranked):
            text, null_score = passage.text[start:end], passage_spans[number].null_score
            ranked.append((passage, Answer(text, passage_id, start, end, score, span_score, null_score)))
    return [answer for _, answer in ranked]


def passage_bonuses(item: Candidates, passage_spans: Sequence[PassageSpans], weights: Weights) -> FloatArray:
    """Return the number that is added to the scores of each passage's spans, (P,)."""
    relevance = np.array([spans.relevance for spans in passage_spans], dtype=np.float32)
    retrieval = standardize(np.array(item.scores, dtype=np.float32))
    bonuses: FloatArray = weights.retrieval * retrieval + weights.relevance * relevance
    return bonuses
