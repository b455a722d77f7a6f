"""The asking sentence of a long question, which a reader trained on short questions reads better than the whole."""

from __future__ import annotations

import re

from dpr.data.sentences import sentence_spans
from dpr.reader.extractive.merge import PassageSpans

_ASKS = re.compile(r"[?？]\W*$")


def asking_sentence(question: str) -> str:
    """Return the last sentence of a question with a question mark; the last sentence if there is none."""
    sentences = [question[start:end] for start, end in sentence_spans(question)]
    asking = [sentence for sentence in sentences if _ASKS.search(sentence)]
    return (asking or sentences or [question])[-1]


def lead(spans: PassageSpans) -> float:
    """Return how far the best span of a passage is above its null score; -inf if there is none."""
    return float(spans.scores[0]) - spans.null_score if len(spans.scores) else -float("inf")
