"""Decode logits of many windows into spans of characters; numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpr.reader.extractive.merge import PassageSpans, merge_windows
from dpr.reader.extractive.spans import best_spans, null_scores
from dpr.reader.extractive.windows import Window, pad_spans
from dpr.types import FloatArray, IntArray

SPANS_PER_WINDOW = 20


class Decoded:
    """The best spans of W windows, in the order of the windows."""

    def __init__(self, windows: int) -> None:
        shape = (windows, SPANS_PER_WINDOW)
        self._starts: IntArray = np.zeros(shape, dtype=np.int64)
        self._ends: IntArray = np.zeros(shape, dtype=np.int64)
        self._scores: FloatArray = np.full(shape, -np.inf, dtype=np.float32)
        self._nulls: FloatArray = np.zeros(windows, dtype=np.float32)
        self._relevance: FloatArray = np.zeros(windows, dtype=np.float32)

    def add(
        self,
        rows: Sequence[int],
        windows: Sequence[Window],
        starts: FloatArray,
        ends: FloatArray,
        relevance: FloatArray,
        max_answer_tokens: int,
    ) -> None:
        """Add the logits of some windows: ``starts`` and ``ends`` (rows, T), ``relevance`` (rows,)."""
        characters = pad_spans(windows)  # (rows, T, 2)
        is_passage = characters[:, :, 1] > characters[:, :, 0]
        best = best_spans(starts, ends, is_passage, max_answer_tokens, SPANS_PER_WINDOW)
        count = best.scores.shape[1]
        self._starts[rows, :count] = np.take_along_axis(characters[:, :, 0], best.starts, axis=1)
        self._ends[rows, :count] = np.take_along_axis(characters[:, :, 1], best.ends, axis=1)
        self._scores[rows, :count] = best.scores
        self._nulls[rows] = null_scores(starts, ends)
        self._relevance[rows] = relevance

    def passage(self, first: int, end: int) -> PassageSpans:
        """Return the spans of the passage with the windows from ``first`` to ``end`` (exclusive).

        Its null score is the lowest of its windows, its relevance the highest.
        """
        starts, ends, scores = merge_windows(self._starts[first:end], self._ends[first:end], self._scores[first:end])
        relevance = float(self._relevance[first:end].max())
        return PassageSpans(starts, ends, scores, float(self._nulls[first:end].min()), relevance)
