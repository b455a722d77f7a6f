"""English words: stemmed by Snowball's English stemmer, without stop words.

A stop word may be a name: The Who, IT, Take That, vitamin A. A passage that writes one with a capital within a
sentence, or in capitals, has the term ``WHO``. At the beginning of a sentence a capital has no meaning, and the term is
``who``. A question drops its stop words except names, unless nothing else is left or it has only a few words. Its names
have both terms: a passage may begin with one. US, which is no stop word, differs from us in the same way.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version

import Stemmer

from dpr.text.normalize import normalize
from dpr.text.scripts import LETTERS, Runs, ideograph_terms, runs_of
from dpr.text.spellings import FEW_WORDS, halves_of, spelled
from dpr.types import QuestionWords

REVISION = 2
"""Raise it whenever the terms of some text change, here or in a module that this one builds on."""

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


_TOLD_BY_CASE = STOP_WORDS | {"us"}
"""Words that mean something else in capitals, or with a capital within a sentence."""

# A hyphen joins what is a word of its own only in capitals: IT-based, but not vitamin-A.
_SIGNED = f"(?:{LETTERS}|_)"
_BEFORE, _AFTER = f"(?<!{_SIGNED})(?<!{_SIGNED}')(?<![.&])", f"(?!{_SIGNED}|[+#]|[.&]{_SIGNED}"
_CAPITALISED = re.compile(f"{_BEFORE}(?:(?<!-)[A-Z][A-Za-z]*{_AFTER}|-{_SIGNED})|[A-Z][A-Z]+{_AFTER}))")
_ALONE = re.compile(
    f"{_BEFORE}(?:(?<!-)[a-z]+{_AFTER}|-{_SIGNED})|[a-z][a-z]+{_AFTER}))(?!'(?!s(?!{_SIGNED})){_SIGNED})"
)
_SENTENCE_START = re.compile(r"""[.!?:;\n"“‘(\[][\s"'“‘(\[]*\Z""")


class EnglishStems(threading.local):
    """Folded words to stems, in order. Snowball's stemmer has a buffer and a cache, so each thread has its own."""

    def __init__(self) -> None:
        self._stemmer = Stemmer.Stemmer("english")

    def __call__(self, words: Sequence[str]) -> list[str]:
        """Return the stem of every word."""
        stems: list[str] = self._stemmer.stemWords(words)
        return stems


class EnglishWords:
    """Terms of the English words of normalized passages and questions."""

    def __init__(self) -> None:
        self.stems = EnglishStems()

    def of_passage(self, text: str, runs: Runs) -> list[str]:
        """Return the terms of a passage's words: stems, and the stop words that may be names."""
        begins, names = _stop_words_and_names(text, runs)
        return [*self._content(runs), *self.stems(begins), *self.names(names)]

    def of_question(self, text: str, runs: Runs, has_other_terms: bool) -> QuestionWords:
        """Return a question's words; ``has_other_terms`` tells whether it has terms of other scripts."""
        _, names = _stop_words_and_names(text, runs)
        stop_words = [word for word in runs.words if word in STOP_WORDS]
        is_few_words = len(runs.words) <= FEW_WORDS and "?" not in text
        is_empty = not has_other_terms and len(stop_words) == len(runs.words)
        words = [word for word in runs.words if word not in STOP_WORDS]
        if names:
            stop_terms = self.names(names) + self.stems(names) + (self.names(names) if is_empty else [])
        elif is_few_words or is_empty:
            alone = [word for word in stop_words if word in _standing_alone(text)]
            stop_terms, words = self.stems(alone) + 2 * self.names(case_marked_words(text, runs)), runs.words
        else:
            stop_terms = []
        return spelled([*self._content(runs), *stop_terms], text, words, self.stems)

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return the stems of each way to split a word in two, stop words left out."""
        return [
            tuple(self.stems([half for half in halves if half not in STOP_WORDS]))
            for halves in halves_of(word)
            if len(halves[0]) > 1 or halves[0] not in STOP_WORDS
        ]

    def names(self, words: Sequence[str]) -> list[str]:
        """Return the terms of stop words that are names."""
        return [stem.upper() for stem in self.stems(words)]

    def _content(self, runs: Runs) -> list[str]:
        return self.stems([word for word in runs.words if word not in STOP_WORDS] + runs.compounds)


def case_marked_words(text: str, runs: Runs) -> list[str]:
    """Return a normalized text's words that mean something else in capitals, among them acronyms: ``U.S.``.

    The letters of ``AT&T`` and ``3D`` are no words.
    """
    alone = _standing_alone(text)
    words = [word for word in runs.words if word in alone]
    return [word for word in (*words, *runs.compounds) if word in _TOLD_BY_CASE]


def _standing_alone(text: str) -> frozenset[str]:
    """Return the words of a normalized text that are not a part of a compound."""
    return frozenset(_ALONE.findall(text.lower()))


def _stop_words_and_names(text: str, runs: Runs) -> tuple[list[str], list[str]]:
    """Return a text's stop words that begin a sentence with a capital, and the words whose capital makes them names.

    In a text without small letters, or without capitals, case has no meaning: all stop words are returned first.
    """
    if text.islower() or text.isupper():
        return [word for word in runs.words if word in STOP_WORDS], []
    begins, names = [], [word for word in runs.compounds if word in _TOLD_BY_CASE]
    for match in _CAPITALISED.finditer(text):
        if (word := match[0].lower()) in _TOLD_BY_CASE:
            before = text[max(0, match.start() - 4) : match.start()] if match.start() else "\n"
            if (len(word) > 1 and match[0].isupper()) or not _SENTENCE_START.search(before):
                names.append(word)
            elif word in STOP_WORDS:
                begins.append(word)
    return begins, names


class EnglishAnalyzer:
    """English stems, whole Hangul runs, and bigrams of ideographs."""

    name = "english"
    version = VERSION

    def __init__(self) -> None:
        self._words = EnglishWords()

    def terms(self, text: str) -> list[str]:
        """Return a passage's terms: those of its words, then of its Hangul, then of its ideographs."""
        text = normalize(text)
        runs = runs_of(text)
        return [*self._words.of_passage(text, runs), *runs.hangul, *ideograph_terms(runs)]

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the terms of each passage, in order."""
        return map(self.terms, texts)

    def questions(self, texts: Iterable[str]) -> Iterator[QuestionWords]:
        """Yield each question's terms, with other spellings of its words, in order."""
        for text in map(normalize, texts):
            runs = runs_of(text)
            other_terms = [*runs.hangul, *ideograph_terms(runs)]
            words = self._words.of_question(text, runs, bool(other_terms))
            yield replace(words, terms=[*words.terms, *other_terms])

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return the stems of each way to split a word in two."""
        return self._words.halves(word)
