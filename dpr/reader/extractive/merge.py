"""From spans of windows to the answers of a question: merged across windows, ranked across passages; numpy only."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpr.reader.extractive.spans import standardize
from dpr.reader.overlap import share_characters
from dpr.text.normalize import fold_forms
from dpr.types import Answer, Candidates, FloatArray, IntArray, Passage

_JOINERS = "\u200d\ufe0e\ufe0f"  # between and after the parts of an emoji
_CONJOINING = range(0x1160, 0x1200)  # vowels and final consonants of Hangul written in single letters


@dataclass(frozen=True, slots=True, eq=False)
class PassageSpans:
    """What a reader found in one passage: S candidate spans, best first, of characters ``[start, end)``.

    ``null_score`` is the score of no answer, ``relevance`` what the relevance head says (0 without one).
    """

    starts: IntArray
    ends: IntArray
    scores: FloatArray
    null_score: float
    relevance: float = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """What is added to a span's score over the null score, in logits, to rank answers across passages.

    ``retrieval`` times the retrieval score, standardized over the question's passages, and ``relevance`` times the
    relevance head's logit.
    """

    retrieval: float = 0.0
    relevance: float = 0.0


def merge_windows(starts: IntArray, ends: IntArray, scores: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the spans of a passage's W windows, (W, n) each, as one list, (S,), best first.

    A span that two windows saw counts once, with its better score: where windows share at least as many tokens as an
    answer may have, every span of the passage is wholly in a window, and these are the spans of one long window.
    Places that no span fills (a score of -inf) are left out. Equal scores are ordered by place.
    """
    filled = np.isfinite(scores)
    starts, ends, scores = starts[filled], ends[filled], scores[filled]
    order = np.lexsort((ends, starts, -scores))
    places = np.stack([starts[order], ends[order]], axis=1)
    _, first = np.unique(places, axis=0, return_index=True)
    order = order[np.sort(first)]
    return starts[order], ends[order], scores[order]


def rank_answers(item: Candidates, found: Sequence[PassageSpans], weights: Weights, n_best: int) -> list[Answer]:
    """Return at most ``n_best`` answers over all passages, best first.

    No two of them share a character of a document: where passages are overlapping chunks of one, the better answer
    stays, and the other is left out.

    Args:
        item: the question, its passages and their retrieval scores.
        found: what the reader found in each passage.
        weights: see `Weights`.
        n_best: how many answers are wanted.
    """
    bonuses = passage_bonuses(item, found, weights).tolist()
    scored = [
        (span_score - spans.null_score + bonus, passage.id, start, end, number, span_score)
        for number, (passage, spans, bonus) in enumerate(zip(item.passages, found, bonuses, strict=True))
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
        start, end = whole_characters(passage.text, start, end)
        if start < end and not any(share_characters(passage, start, end, *other) for other in ranked):
            text, null_score = passage.text[start:end], found[number].null_score
            ranked.append((passage, Answer(text, passage_id, start, end, score, span_score, null_score)))
    return [answer for _, answer in ranked]


def passage_bonuses(item: Candidates, found: Sequence[PassageSpans], weights: Weights) -> FloatArray:
    """Return what each passage adds to the scores of its spans, (P,)."""
    relevance = np.array([spans.relevance for spans in found], dtype=np.float32)
    retrieval = standardize(np.array(item.scores, dtype=np.float32))
    bonuses: FloatArray = weights.retrieval * retrieval + weights.relevance * relevance
    return bonuses


def whole_characters(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span, less white space and invisible characters at its ends, that cuts no character as a human sees it.

    A tokenizer may part a letter from its combining marks, an emoji from its modifiers, or a Hangul syllable that is
    written in single letters.
    """
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    while 0 < start < end and _continues(text, start):
        start -= 1
    while start < end < len(text) and _continues(text, end):
        end += 1
    return start, end


def _is_blank(letter: str) -> bool:
    """Tell whether a model reads nothing, or white space, for a character."""
    return not fold_forms(letter).strip()


def _continues(text: str, place: int) -> bool:
    """Tell whether the code point at a place belongs to the one before it."""
    letter = text[place]
    if unicodedata.category(letter)[0] == "M" or letter in _JOINERS or text[place - 1] == _JOINERS[0]:
        return True
    return ord(letter) in _CONJOINING
