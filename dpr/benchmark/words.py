"""The words of the report page, in English and Korean; the keys of traits and causes are those of the report."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "ko")
FILE = Path(__file__).parent / "page" / "words.json"


@cache
def all_words() -> dict[str, tuple[str, str]]:
    """Return the words in English and in Korean, by key."""
    return {key: (english, korean) for key, (english, korean) in json.loads(FILE.read_text(encoding="utf-8")).items()}


def words_of(language: str) -> dict[str, str]:
    """Return the words of ``en`` or ``ko`` by key."""
    column = LANGUAGES.index(language)
    return {key: pair[column] for key, pair in all_words().items()}
