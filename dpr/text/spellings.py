"""Other spellings of a question's words, in one word or in two: ``data base`` and ``database``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from dpr.text.scripts import neighbours_of
from dpr.types import QuestionWords

Stems = Callable[[Sequence[str]], list[str]]
"""A function from folded words to their terms."""

FEW_WORDS = 3
"""A question of at most this many words, without a question mark, counts as names, not as a sentence."""

_SHORTEST_END = 2
_SHORTEST_WORD = 4


def spelled(terms: list[str], text: str, words: Iterable[str], stems: Stems) -> QuestionWords:
    """Return a question's terms, and the other spellings of some ``words`` of its normalized text."""
    spellable = set(words)
    pairs = [
        (first, second, first + second)
        for first, second in neighbours_of(text)
        if first in spellable and second in spellable and not (first[-1].isdigit() and second[0].isdigit())
    ]
    long_words = [word for word in dict.fromkeys(spellable) if word.isalpha() and len(word) >= _SHORTEST_WORD]
    return QuestionWords(
        terms,
        tuple((first, second, joined) for first, second, joined in map(stems, pairs)),
        dict(zip(stems(long_words), long_words, strict=True)),
    )


def halves_of(word: str) -> list[tuple[str, ...]]:
    """Return each way to split a folded word in two; the first part may be a letter, as in ``email``."""
    return [(word[:end], word[end:]) for end in range(1, len(word) - _SHORTEST_END + 1)]


def as_they_are(words: Sequence[str]) -> list[str]:
    """Return words unchanged: the ``Stems`` of an analyzer without stems."""
    return list(words)
