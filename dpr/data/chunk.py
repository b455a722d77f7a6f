"""Cut long documents into passages: whole sentences up to a budget of tokens, with overlaps.

A sentence over the budget is cut into words, and a word over the budget (text without spaces) between characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from dpr.data.sentences import Span, sentence_spans
from dpr.errors import ConfigError
from dpr.types import Passage

CountTokens = Callable[[str], int]
"""Returns the number of tokens of a text; a longer text never has fewer."""

_WORD = re.compile(r"\S+")


def chunk(document: Passage, max_tokens: int, overlap_tokens: int, count_tokens: CountTokens) -> list[Passage]:
    """Cut a document into passages of at most ``max_tokens``, each an exact substring of its text.

    Every character except white space is in a passage. Passage n has the id ``f"{document.id}#{n}"``, the document's
    title, and its offset as ``start``. A passage begins with the last sentences of the previous one, as many as fit
    into ``overlap_tokens``.

    Raises:
        ConfigError: the overlap is not below the budget, or a single character is over the budget.
    """
    text = document.text
    spans = chunk_spans(text, max_tokens, overlap_tokens, count_tokens)
    for start, end in spans:
        if end - start == 1 and count_tokens(text[start]) > max_tokens:
            raise ConfigError(
                f"the single character {text[start]!r} is over the budget of {max_tokens} tokens; raise the budget"
            )
    return [
        Passage(f"{document.id}#{number}", text[start:end], document.title, document.id, start, document.metadata)
        for number, (start, end) in enumerate(spans)
    ]


def chunk_spans(text: str, max_tokens: int, overlap_tokens: int, count_tokens: CountTokens) -> list[Span]:
    """Return the bounds of the passages of `chunk`; a single character over the budget is a passage.

    Raises:
        ConfigError: the overlap is not below the budget.
    """
    if not 0 <= overlap_tokens < max_tokens:
        raise ConfigError(
            f"the overlap of {overlap_tokens} tokens is not below the budget of {max_tokens}; lower the overlap"
        )
    whole = units(text, (0, len(text)), max_tokens, count_tokens)
    return list(packed(text, whole, max_tokens, overlap_tokens, count_tokens))


def units(text: str, bounds: Span, max_tokens: int, count_tokens: CountTokens) -> list[Span]:
    """Return the spans of sentences within bounds, or of words or characters, where the larger is over the budget."""
    spans: list[Span] = []
    first, last = bounds
    for start, end in sentence_spans(text[first:last]):
        start, end = first + start, first + end
        if count_tokens(text[start:end]) <= max_tokens:
            spans.append((start, end))
            continue
        for word in _WORD.finditer(text, start, end):
            cut, word_end = word.span()
            while cut < word_end:
                length = _longest_prefix(text[cut:word_end], max_tokens, count_tokens)
                spans.append((cut, cut + length))
                cut += length
    return spans


def _longest_prefix(word: str, max_tokens: int, count_tokens: CountTokens) -> int:
    """Return the number of a word's first characters that fit the budget, at least one, by exponential search."""
    fits, exceeds = 1, 2
    while exceeds <= len(word) and count_tokens(word[:exceeds]) <= max_tokens:
        fits, exceeds = exceeds, 2 * exceeds
    exceeds = min(exceeds, len(word) + 1)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if count_tokens(word[:middle]) <= max_tokens:
            fits = middle
        else:
            exceeds = middle
    return fits


def packed(
    text: str, units: Sequence[Span], max_tokens: int, overlap_tokens: int, count_tokens: CountTokens
) -> Iterator[Span]:
    """Yield the bounds of passages with as many units as fit: the overlap with the previous one, and new units."""

    def tokens(first: int, last: int) -> int:
        return count_tokens(text[units[first][0] : units[last][1]])

    first = new = 0
    while new < len(units):
        last = new
        while last + 1 < len(units) and tokens(first, last + 1) <= max_tokens:
            last += 1
        yield units[first][0], units[last][1]
        previous, first, new = first, last + 1, last + 1
        while (
            new < len(units)
            and first - 1 > previous
            and tokens(first - 1, last) <= overlap_tokens
            and tokens(first - 1, new) <= max_tokens
        ):
            first -= 1
