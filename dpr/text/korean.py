"""Korean content morphemes by Kiwi: ``서울에서는`` is ``서울`` with two particles, which are dropped."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from itertools import chain
from typing import Protocol

from kiwipiepy import Kiwi, Token

from dpr.text.ngram import lone_syllables
from dpr.text.normalize import normalize
from dpr.text.scripts import HANGUL, Runs, ideograph_terms, runs_of
from dpr.text.spellings import FEW_WORDS, as_they_are, halves_of, spelled
from dpr.types import QuestionWords

Tags = frozenset[str]

REVISION = 2
"""Raise it whenever the terms of some text change, here or in a module that this one builds on."""

VERSION = f"{REVISION}+kiwipiepy-{version('kiwipiepy')}+kiwipiepy_model-{version('kiwipiepy_model')}"

CONTENT_TAGS = frozenset({"NNG", "NNP", "NR", "XR", "VV", "VA"})
"""Nouns, proper nouns, numerals, roots, verbs and adjectives, as Kiwi tags them."""

WORD_TAGS = CONTENT_TAGS | {"NP", "NNB", "MM", "IC"}
"""Content, pronouns, dependent nouns, determiners and exclamations: any of them may be a name."""

_ENDING_TAGS = ("J", "E", "VCP", "XSV", "XSA")
"""Particles, endings, the copula, and what makes verbs of nouns, as Kiwi tags them."""

_PARTICLE_TAGS = ("J", "VCP")
_AFTER_NOUN_TAGS = ("J", "VCP", "E")
"""Particles and the copula; what may follow them within a run."""

# Kiwi's time grows with the square of a text's length: 0.04 s for 6,500 characters, 8 s for 208,000.
_LONGEST_PIECE = 4000
_PIECE = re.compile(rf"\S.{{0,{_LONGEST_PIECE - 2}}}(?=\s|\Z)|\S.{{0,{_LONGEST_PIECE - 1}}}", re.DOTALL)
_HANGUL = re.compile(f"[{HANGUL}]")


def has_hangul(text: str) -> bool:
    """Tell whether a text holds a Hangul syllable."""
    return _HANGUL.search(text) is not None


class Morphemes:
    """Kiwi, loaded for the first Hangul text (1 s, 300 MB); one instance may serve many threads.

    The dictionary of names of several words is not loaded: it doubles the loading time, takes another 185 MB,
    and changes top-1 retrieval by less than 0.2 points.
    """

    def __init__(self) -> None:
        self._kiwi: Kiwi | None = None
        self._loading = threading.Lock()

    def __call__(self, text: str, tags: Tags = CONTENT_TAGS) -> list[str]:
        """Return the morphemes with some tags of a normalized text, in order."""
        if not has_hangul(text):
            return []
        kiwi = self._loaded()
        return [form for piece in _pieces(text) for form in _tagged(kiwi.tokenize(piece), tags)]

    def batch(self, texts: Iterable[str], tags: Tags = CONTENT_TAGS) -> Iterator[list[str]]:
        """Yield the morphemes with some tags of each normalized text, in order; Kiwi works some texts ahead."""
        counts: deque[int] = deque()

        def pieces() -> Iterator[str]:
            for text in texts:
                text_pieces = _pieces(text) if has_hangul(text) else [""]
                counts.append(len(text_pieces))
                yield from text_pieces

        analysed = self._loaded().tokenize(pieces())
        for tokens in analysed:
            forms = _tagged(tokens, tags)
            for _ in range(counts.popleft() - 1):
                forms += _tagged(next(analysed), tags)
            yield forms

    def bounds(self, text: str) -> list[int]:
        """Return the starts of content morphemes and of runs of endings in a text in composed form.

        Particles and endings that follow one another, as in ``서울|에서는``, are one run.
        """
        if not has_hangul(text):
            return []
        kiwi, starts, begin = self._loaded(), [], 0
        for piece in _pieces(text):
            begin = text.index(piece, begin)
            starts += [begin + start for start in _bounds(kiwi.tokenize(piece))]
            begin += len(piece)
        return starts

    def particles(self, text: str) -> list[tuple[int, int]]:
        """Return the spans of runs of particles and the copula after nouns, in a sentence in composed form.

        ``서울에서는 산다`` has one run, ``에서는``. The sentence decides what a particle is: ``나이가`` is
        ``나이`` with one, and ``나가`` may be a verb.
        """
        if not has_hangul(text):
            return []
        runs: list[tuple[int, int]] = []
        for token in self._loaded().tokenize(text):
            end = token.start + token.len
            if runs and runs[-1][1] == token.start and token.tag.startswith(_AFTER_NOUN_TAGS):
                runs[-1] = (runs[-1][0], end)
            elif token.tag.startswith(_PARTICLE_TAGS):
                runs.append((token.start, end))
        return runs

    def _loaded(self) -> Kiwi:
        with self._loading:
            if self._kiwi is None:
                self._kiwi = Kiwi(num_workers=min(8, os.cpu_count() or 1), load_multi_dict=False)
            return self._kiwi


@cache
def shared_morphemes() -> Morphemes:
    """Return the one Kiwi of this process."""
    return Morphemes()


def _pieces(text: str) -> list[str]:
    """Cut a text at blanks into as few pieces as possible; longer ones slow Kiwi down."""
    return [text] if len(text) <= _LONGEST_PIECE else _PIECE.findall(text)


def _tagged(tokens: Iterable[Token], tags: Tags) -> list[str]:
    """Return the forms with a Hangul syllable that have one of some tags; ``VA-I`` is an irregular ``VA``."""
    return [token.form.lower() for token in tokens if token.tag.split("-")[0] in tags and has_hangul(token.form)]


def _bounds(tokens: Iterable[Token]) -> Iterator[int]:
    """Yield the starts of tokens, less those within a run of endings or (``했``: ``하`` and ``었``) a syllable."""
    end, was_ending = 0, False
    for token in tokens:
        is_ending = token.tag.startswith(_ENDING_TAGS)
        if token.start >= end and not (is_ending and was_ending):
            yield token.start
        end, was_ending = token.start + token.len, is_ending


class Rules(Protocol):
    """How an analyzer makes terms of a normalized text and its morphemes with some tags."""

    @property
    def tags(self) -> Tags:
        """The tags of the morphemes."""

    def terms(self, text: str, morphemes: list[str]) -> list[str]:
        """Return a passage's terms."""

    def question(self, text: str, morphemes: list[str]) -> QuestionWords:
        """Return a question's terms and spellings."""

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return the terms of each way to split a word in two."""


class MorphemeAnalyzer:
    """An analyzer of Kiwi's morphemes; its rules make terms of them and of the words of other scripts."""

    def __init__(self, name: str, version: str, rules: Rules, morphemes: Morphemes) -> None:
        self.name = name
        self.version = version
        self._rules = rules
        self._morphemes = morphemes

    def terms(self, text: str) -> list[str]:
        """Return a passage's terms, grouped by script."""
        text = normalize(text)
        return self._rules.terms(text, self._morphemes(text, self._rules.tags))

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the terms of each passage, in order; Kiwi works some dozens of texts ahead."""
        return (self._rules.terms(text, morphemes) for text, morphemes in self._analysed(texts))

    def questions(self, texts: Iterable[str]) -> Iterator[QuestionWords]:
        """Yield the terms and spellings of each question, in order; Kiwi works ahead here, too."""
        return (self._rules.question(text, morphemes) for text, morphemes in self._analysed(texts))

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return the terms of each way to split a word in two."""
        return self._rules.halves(word)

    def _analysed(self, texts: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield each text, normalized, with its morphemes."""
        normalized = map(normalize, texts)
        for text in normalized:
            if has_hangul(text):
                yield from self._ahead(chain([text], normalized))
                return
            yield text, []

    def _ahead(self, texts: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        pending: deque[str] = deque()

        def remembered() -> Iterator[str]:
            for text in texts:
                pending.append(text)
                yield text

        for morphemes in self._morphemes.batch(remembered(), self._rules.tags):
            yield pending.popleft(), morphemes


class KoreanRules:
    """The terms of ``korean``: morphemes, the words of other scripts, bigrams of ideographs."""

    tags = WORD_TAGS

    def terms(self, text: str, morphemes: list[str]) -> list[str]:
        """Return the terms of a normalized passage with these morphemes."""
        return self._terms(runs_of(text), morphemes)

    def question(self, text: str, morphemes: list[str]) -> QuestionWords:
        """Return a normalized question; a few words also count as typed, since Kiwi knows a name by its context."""
        runs = runs_of(text)
        typed = runs.hangul if len(runs.hangul) <= FEW_WORDS and "?" not in text else []
        terms = [*self._terms(runs, morphemes), *(run for run in typed if run not in morphemes)]
        return spelled(terms, text, [*runs.words, *typed], as_they_are)

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return each way to split a word in two."""
        return halves_of(word)

    def _terms(self, runs: Runs, morphemes: list[str]) -> list[str]:
        return [*morphemes, *lone_syllables(runs), *runs.words, *runs.compounds, *ideograph_terms(runs)]
