"""Trim the particle of a Korean answer, as in gold answers: 서울에서는 becomes 서울."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dpr.data.sentences import sentence_spans
from dpr.types import Answer

Particles = Callable[[str], list[tuple[int, int]]]
"""Returns the offsets of runs of particles in a sentence."""

_LONGEST_SENTENCE = 1000
_SYLLABLES = range(ord("가"), ord("힣") + 1)


def without_particle(answer: Answer, text: str, particles: Particles | None = None) -> Answer:
    """Return an answer without the particles or the copula at the end of its last word.

    Kiwi, or ``particles``, finds the particles in the sentence of the passage that contains the answer: 나이가 loses
    가, and 음악가 does not.
    """
    if ord(answer.text[-1]) not in _SYLLABLES:
        return answer
    bounds = (span for span in sentence_spans(text) if span[0] <= answer.start and answer.end <= span[1])
    first, last = next(bounds, (0, len(text)))
    first, last = max(first, answer.start - _LONGEST_SENTENCE), min(last, answer.end + _LONGEST_SENTENCE)
    for start, end in (particles or _kiwi)(text[first:last]):
        if first + end == answer.end and first + start > answer.start:
            stem = text[answer.start : first + start].rstrip()
            return replace(answer, text=stem, end=answer.start + len(stem))
    return answer


def _kiwi(sentence: str) -> list[tuple[int, int]]:
    from dpr.text.korean import shared_morphemes

    return shared_morphemes().particles(sentence)
