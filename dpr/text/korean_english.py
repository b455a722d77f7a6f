"""The default analyzer: Korean and English in one text, divided by script, each by its own rules."""

from __future__ import annotations

from dataclasses import replace

from dpr.text import english, korean
from dpr.text.english import EnglishWords, case_marked_words
from dpr.text.ngram import hangul_bigrams, joining_bigrams, lone_syllables
from dpr.text.scripts import Runs, ideograph_terms, runs_of
from dpr.text.spellings import spelled
from dpr.types import QuestionWords

REVISION = 2
"""Raise it whenever this module changes the terms of some text."""

VERSION = f"{REVISION}+english-{english.VERSION}+korean-{korean.VERSION}"


class KoreanEnglishRules:
    """The terms of ``ko-en``: content morphemes and bigrams of Hangul, English stems, bigrams of ideographs."""

    tags = korean.CONTENT_TAGS

    def __init__(self) -> None:
        self._words = EnglishWords()

    def terms(self, text: str, morphemes: list[str]) -> list[str]:
        """Return the terms of a normalized passage with these content morphemes."""
        runs = runs_of(text)
        if runs.hangul:
            return self._mixed(text, runs, morphemes)
        return [*self._words.of_passage(text, runs), *ideograph_terms(runs)]

    def question(self, text: str, morphemes: list[str]) -> QuestionWords:
        """Return a normalized question with these content morphemes."""
        runs = runs_of(text)
        if runs.hangul:
            words = spelled(self._mixed(text, runs, morphemes), text, runs.words, self._words.stems)
            return replace(words, pairs=(*words.pairs, *joining_bigrams(text)))
        bigrams = ideograph_terms(runs)
        words = self._words.of_question(text, runs, bool(bigrams))
        return replace(words, terms=[*words.terms, *bigrams])

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return the stems of each way to split a word in two."""
        return self._words.halves(word)

    def _mixed(self, text: str, runs: Runs, morphemes: list[str]) -> list[str]:
        # Within Korean, IT and Who are names. A Hangul noun counts twice, as a morpheme and as a bigram; a name or a
        # year beside it has to weigh as much.
        words = self._words.stems(runs.words)
        names = self._words.names(case_marked_words(text, runs))
        compounds = self._words.stems(runs.compounds)
        hangul = [*morphemes, *hangul_bigrams(runs), *lone_syllables(runs)]
        return [*hangul, *words, *words, *names, *compounds, *ideograph_terms(runs)]
