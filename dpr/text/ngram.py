"""Bigrams of Hangul: a Korean analyzer without a dictionary; it matches a noun inside a longer word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from dpr.text.normalize import normalize
from dpr.text.scripts import HANGUL, Runs, bigrams, ideograph_terms, runs_of
from dpr.text.spellings import as_they_are, halves_of, spelled
from dpr.types import QuestionWords

_PARTICLES = frozenset(
    " ".join(
        (
            "은 는 이 가 을 를 의 에 도 와 과 만 로 랑 야 아 께",
            "에서 에게 으로 까지 부터 에는 에도 에선 와는 과는 하고 이란 이다 이라 라는 이나 처럼 보다",
        )
    ).split()
)
"""What may follow a noun of one syllable: particles, and forms of the copula."""

_GAP = re.compile(f"([{HANGUL}]{{1,2}})\\s+(?=([{HANGUL}]{{1,2}}))")


def hangul_bigrams(runs: Runs) -> list[str]:
    """Return each two neighbouring syllables of each Hangul run; a syllable that stands alone is a term itself."""
    return [pair for run in runs.hangul for pair in bigrams(run)]


def joining_bigrams(text: str) -> tuple[tuple[str, str, str], ...]:
    """Return, for each two Hangul runs of a normalized text that blanks divide, the bigrams at the gap and across it.

    ``카카오 톡`` gives ``카오``, ``톡`` and ``오톡``, which only passages have that write it as one word.
    """
    return tuple((first, second, first[-1] + second[0]) for first, second in _GAP.findall(text))


def lone_syllables(runs: Runs) -> list[str]:
    """Return the first syllable of each Hangul run that is one syllable and a particle: ``곰`` of ``곰은``."""
    return [run[0] for run in runs.hangul if run[1:] in _PARTICLES]


class BigramAnalyzer:
    """Bigrams of Hangul and of ideographs, and the words of other scripts; no stop words, no stems, no language."""

    name = "ngram"
    version = "2"

    def terms(self, text: str) -> list[str]:
        """Return a text's terms: those of its Hangul, then of its words, then of its ideographs."""
        runs = runs_of(normalize(text))
        return [*hangul_bigrams(runs), *runs.words, *runs.compounds, *ideograph_terms(runs)]

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the terms of each text, in order."""
        return map(self.terms, texts)

    def questions(self, texts: Iterable[str]) -> Iterator[QuestionWords]:
        """Yield each question's terms, with other spellings of its words, in order."""
        for text in map(normalize, texts):
            words = spelled(self.terms(text), text, runs_of(text).words, as_they_are)
            yield replace(words, pairs=(*words.pairs, *joining_bigrams(text)))

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return each way to split a word in two."""
        return halves_of(word)
