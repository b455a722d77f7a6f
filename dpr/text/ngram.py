"""Hangul by twos: a Korean analysis without a dictionary, that finds a noun within whatever is glued to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpr.text.normalize import normalize
from dpr.text.scripts import Runs, bigrams, ideograph_terms, runs_of


def hangul_bigrams(runs: Runs) -> list[str]:
    """Return each two neighbouring syllables of each Hangul run; a syllable that stands alone is a term itself."""
    return [pair for run in runs.hangul for pair in bigrams(run)]


class BigramAnalyzer:
    """Bigrams of Hangul and of ideographs, and the words of other scripts; no stop words, no stems, no language."""

    name = "ngram"
    version = "1"

    def terms(self, text: str) -> list[str]:
        """Return a text's terms: those of its Hangul, then of its words, then of its ideographs."""
        runs = runs_of(normalize(text))
        return [*hangul_bigrams(runs), *runs.words, *ideograph_terms(runs)]

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the terms of each text, in order."""
        return map(self.terms, texts)
