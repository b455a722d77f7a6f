"""Decode the logits of windows into spans of characters; numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpr.reader.extractive.merge import PassageSpans, merge_windows
from dpr.reader.extractive.spans import best_spans, null_scores
from dpr.reader.extractive.windows import Window, pad_spans
from dpr.types import FloatArray, IntArray

SPANS_PER_WINDOW = 20


@dataclass(frozen=True, slots=True, eq=False)
class WindowSpans:
    """The best spans of a window, best first: characters ``[start, end)`` of the passage of its ``pair``.

    ``starts``, ``ends`` and ``scores`` are (n,); a score of -inf is that of no span.
    """

    pair: int
    starts: IntArray
    ends: IntArray
    scores: FloatArray
    null_score: float
    relevance: float


def window_spans(
    windows: Sequence[Window], starts: FloatArray, ends: FloatArray, relevance: FloatArray, max_answer_tokens: int
) -> list[WindowSpans]:
    """Return the best spans of W windows from their logits: ``starts`` and ``ends`` (W, T), ``relevance`` (W,)."""
    characters = pad_spans(windows)  # (W, T, 2)
    is_passage = characters[:, :, 1] > characters[:, :, 0]
    best = best_spans(starts, ends, is_passage, max_answer_tokens, SPANS_PER_WINDOW)
    first = np.take_along_axis(characters[:, :, 0], best.starts, axis=1)
    last = np.take_along_axis(characters[:, :, 1], best.ends, axis=1)
    nulls = null_scores(starts, ends).tolist()
    return [
        WindowSpans(window.pair, *spans)
        for window, *spans in zip(windows, first, last, best.scores, nulls, relevance.tolist(), strict=True)
    ]


def passage_spans(windows: Sequence[WindowSpans]) -> PassageSpans:
    """Return the spans of a passage from those of its windows.

    Its null score is the lowest of its windows, its relevance the highest.
    """
    starts, ends, scores = (
        np.concatenate([getattr(window, name) for window in windows]) for name in ("starts", "ends", "scores")
    )
    null_score = min(window.null_score for window in windows)
    return PassageSpans(*merge_windows(starts, ends, scores), null_score, max(window.relevance for window in windows))
