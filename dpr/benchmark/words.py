"""The words of a report, in English and Korean; the keys of traits and causes are those of the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "ko")
FILE = Path(__file__).parent / "page" / "words.json"


@dataclass(frozen=True, slots=True)
class Bilingual:
    """The same words in both languages: the page has both, every other file the English ones."""

    english: str
    korean: str

    @classmethod
    def same(cls, text: str) -> Bilingual:
        """Return a text that is the same in both languages, or has no translation."""
        return cls(text, text)


@cache
def all_words() -> dict[str, tuple[str, str]]:
    """Return the words in English and in Korean, by key."""
    return {key: (english, korean) for key, (english, korean, *_) in _entries().items()}


@cache
def _entries() -> dict[str, list[str]]:
    """Return the words in English, in Korean and, in some entries, in English for the number 1."""
    entries: dict[str, list[str]] = json.loads(FILE.read_text(encoding="utf-8"))
    return entries


def words_of(language: str) -> dict[str, str]:
    """Return the words of ``en`` or ``ko`` by key."""
    column = LANGUAGES.index(language)
    return {key: pair[column] for key, pair in all_words().items()}


def phrase(key: str, values: Mapping[str, Bilingual | str | int] | None = None) -> Bilingual:
    """Return the words of a key, with values by their names in braces; a key without words stands for itself.

    The value ``number`` decides between the plural and the singular.
    """
    english, korean, *singular = _entries().get(key, (key, key))
    if not values:
        return Bilingual(english, korean)
    if singular and values.get("number") == 1:  # Korean has the same words for every number
        [english] = singular
    in_english, in_korean = ({name: _in_language(value, column) for name, value in values.items()} for column in (0, 1))
    return Bilingual(english.format(**in_english), korean.format(**in_korean))


def _in_language(value: Bilingual | str | int, column: int) -> str:
    if isinstance(value, Bilingual):
        return (value.english, value.korean)[column]
    return f"{value:,}" if isinstance(value, int) else value
