"""The default analysis: Korean and English inside one text, each by its own rules, told apart by script."""

from __future__ import annotations

from dpr.text import english, korean
from dpr.text.english import EnglishStems
from dpr.text.korean import Combine
from dpr.text.ngram import hangul_bigrams
from dpr.text.scripts import Runs, ideograph_terms

REVISION = 1
"""Raised whenever the terms of some text change by what is done here."""

VERSION = f"{REVISION}+english-{english.VERSION}+korean-{korean.VERSION}"


def korean_english_terms(stems: EnglishStems) -> Combine:
    """Return how ``ko-en`` combines: content morphemes and bigrams of Hangul, English stems, ideographs by twos."""

    def combine(runs: Runs, morphemes: list[str]) -> list[str]:
        if not runs.hangul:
            return [*stems.content(runs.words), *ideograph_terms(runs)]
        # Within Korean, IT and Who are names. A Hangul noun counts twice, as a morpheme and as a bigram; a name or a
        # year beside it has to weigh as much.
        words = stems.all(runs.words)
        return [*morphemes, *hangul_bigrams(runs), *words, *words, *ideograph_terms(runs)]

    return combine
