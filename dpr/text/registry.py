"""Analyzers by name; the libraries of an analyzer are imported when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from dpr.errors import ConfigError
from dpr.types import Analyzer

DEFAULT_ANALYZER = "ko-en"


@cache
def analyzer(name: str) -> Analyzer:
    """Return the analyzer of a name; the same one each time, safe to use from many threads.

    Raises:
        ConfigError: there is none of that name.
    """
    check_analyzer(name)
    return ANALYZERS[name]()


def check_analyzer(name: str) -> None:
    """Refuse a name that no analyzer has.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in ANALYZERS:
        raise ConfigError(f"unknown analyzer {name!r}; use one of {', '.join(ANALYZERS)}")


def _korean_english() -> Analyzer:
    from dpr.text.korean import MorphemeAnalyzer, shared_morphemes
    from dpr.text.korean_english import VERSION, KoreanEnglishRules

    return MorphemeAnalyzer("ko-en", VERSION, KoreanEnglishRules(), shared_morphemes())


def _korean() -> Analyzer:
    from dpr.text.korean import VERSION, KoreanRules, MorphemeAnalyzer, shared_morphemes

    return MorphemeAnalyzer("korean", VERSION, KoreanRules(), shared_morphemes())


def _english() -> Analyzer:
    from dpr.text.english import EnglishAnalyzer

    return EnglishAnalyzer()


def _words() -> Analyzer:
    from dpr.text.words import WordAnalyzer

    return WordAnalyzer()


def _ngram() -> Analyzer:
    from dpr.text.ngram import BigramAnalyzer

    return BigramAnalyzer()


ANALYZERS: Mapping[str, Callable[[], Analyzer]] = {
    "ko-en": _korean_english,
    "korean": _korean,
    "english": _english,
    "words": _words,
    "ngram": _ngram,
}
"""How to make each analyzer."""
