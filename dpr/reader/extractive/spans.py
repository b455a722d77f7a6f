"""Find answer spans by start and end logits; numpy only.

A span's score is the sum of its start and end logits; the null score is that sum at the first token, [CLS]
(Devlin et al. 2019, section 4.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpr.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Spans:
    """The n best spans of W windows: ``scores``, ``starts`` and ``ends`` (tokens, inclusive), each (W, n).

    If a window has fewer than n spans, the others have the score -inf and arbitrary tokens.
    """

    scores: FloatArray
    starts: IntArray
    ends: IntArray


def null_scores(start_logits: FloatArray, end_logits: FloatArray) -> FloatArray:
    """Return the null score of each window: (W, T), (W, T) -> (W,)."""
    return start_logits[:, 0] + end_logits[:, 0]


def best_spans(
    start_logits: FloatArray,
    end_logits: FloatArray,
    is_passage: BoolArray,
    max_answer_tokens: int,
    n_best: int,
) -> Spans:
    """Return the exact n best spans of each window among all starts and all lengths up to ``max_answer_tokens``.

    Logits and the mask of passage tokens are (W, T).
    """
    windows, width = start_logits.shape
    length = min(max_answer_tokens, width)
    starts = np.where(is_passage, start_logits, -np.inf)
    ends = np.where(is_passage, end_logits, -np.inf)
    padded = np.pad(ends, ((0, 0), (0, length - 1)), constant_values=-np.inf)
    reachable = np.lib.stride_tricks.sliding_window_view(padded, length, axis=1)  # (W, T, length)
    scores = (starts[:, :, None] + reachable).reshape(windows, -1)
    count = min(n_best, scores.shape[1])
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    start_tokens, lengths = np.divmod(best, length)
    return Spans(
        scores=np.take_along_axis(scores, best, axis=1).astype(np.float32),
        starts=start_tokens.astype(np.int64),
        ends=np.minimum(start_tokens + lengths, width - 1).astype(np.int64),
    )


def standardize(scores: FloatArray) -> FloatArray:
    """Return z-scores, all zero if the scores are equal: (P,) -> (P,)."""
    spread = float(scores.std()) if len(scores) else 0.0
    if not np.isfinite(spread) or spread < 1e-9:
        return np.zeros_like(scores)
    standardized: FloatArray = (scores - scores.mean()) / np.float32(spread)
    return standardized
