"""English words: without those that carry no meaning of their own, and without endings (Snowball's English stemmer)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version

import Stemmer

from dpr.text.normalize import normalize
from dpr.text.scripts import ideograph_terms, runs_of

REVISION = 1
"""Raised whenever the terms of some text change, here or in what this module builds on."""

VERSION = f"{REVISION}+PyStemmer-{version('PyStemmer')}"

# Only words that hold a sentence together. Words such as "before", "not", "most" or "must" tell one passage from
# another, and keeping them is measurably better.
STOP_WORDS = frozenset(
    " ".join(
        (
            "a an the",
            "about as at by for from in into of on onto to upon with within",
            "and but if nor or so than then though although because while whereas whether",
            "am are be been being is was were",
            "did do does doing done had has have having shall will would",
            "i me my mine myself we our ours ourselves you your yours yourself yourselves",
            "he him his himself she her hers herself it its itself they them their theirs themselves",
            "this that these those there here",
            "how what when where which who whom whose why",
            "just too very also",
            "s t d ll m re ve don",  # what an apostrophe leaves: it's, don't, he'd, we'll, I'm, they're, we've
        )
    ).split()
)
"""English function words, in lower case."""


class EnglishStems(threading.local):
    """Folded words to stems, in order. Snowball's stemmer has a buffer and a cache, so each thread has its own."""

    def __init__(self) -> None:
        self._stemmer = Stemmer.Stemmer("english")

    def all(self, words: Sequence[str]) -> list[str]:
        """Return the stem of every word."""
        stems: list[str] = self._stemmer.stemWords(words)
        return stems

    def content(self, words: Sequence[str]) -> list[str]:
        """Return the stems of the words that are not stop words."""
        return self.all([word for word in words if word not in STOP_WORDS])


class EnglishAnalyzer:
    """English stems; Hangul runs are left whole, and ideographs are taken by twos."""

    name = "english"
    version = VERSION

    def __init__(self) -> None:
        self._stems = EnglishStems()

    def terms(self, text: str) -> list[str]:
        """Return a text's terms: those of its words, then of its Hangul, then of its ideographs."""
        runs = runs_of(normalize(text))
        return [*self._stems.content(runs.words), *runs.hangul, *ideograph_terms(runs)]

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the terms of each text, in order."""
        return map(self.terms, texts)
