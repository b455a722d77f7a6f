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
def _singular() -> dict[str, str]:
    """Return the English words for the number 1, by key; Korean has the same for every number."""
    return {key: words[2] for key, words in _entries().items() if len(words) > 2}


@cache
def _entries() -> dict[str, list[str]]:
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
    templates = all_words().get(key, (key, key))
    if values and values.get("number") == 1:
        templates = (_singular().get(key, templates[0]), templates[1])
    english, korean = (
        template.format(**{name: _in_language(value, column) for name, value in values.items()}) if values else template
        for column, template in enumerate(templates)
    )
    return Bilingual(english, korean)


def _in_language(value: Bilingual | str | int, column: int) -> str:
    if isinstance(value, Bilingual):
        return (value.english, value.korean)[column]
    return f"{value:,}" if isinstance(value, int) else value
