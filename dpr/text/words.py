"""Plain words between blanks and punctuation, folded: the baseline of the other analyzers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dpr.text.normalize import fold, normalize
from dpr.types import QuestionWords

_WORD = re.compile(r"[^\W_]+")


class WordAnalyzer:
    """Every word of every script, whole: ``KBS는`` is one."""

    name = "words"
    version = "2"

    def terms(self, text: str) -> list[str]:
        """Return a text's words, in order."""
        return [fold(word) for word in _WORD.findall(normalize(text))]

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the words of each text, in order."""
        return map(self.terms, texts)

    def questions(self, texts: Iterable[str]) -> Iterator[QuestionWords]:
        """Yield the words of each question, in order."""
        return (QuestionWords(self.terms(text)) for text in texts)

    def halves(self, word: str) -> list[tuple[str, ...]]:  # noqa: ARG002
        """Return none: this analyzer splits no words."""
        return []
