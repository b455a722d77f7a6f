"""The bounds of an answer: whole characters, paired brackets, one sentence."""

from __future__ import annotations

import re
import unicodedata

from dpr.data.sentences import sentence_spans
from dpr.text.normalize import fold_forms

_JOINERS = "\u200d\ufe0e\ufe0f"  # between and after the components of an emoji
_CONJOINING = range(0x1160, 0x1200)  # vowels and final consonants of Hangul written in single letters

_CLOSING = dict(zip("([{“‘「『《〈【（［", ")]}”’」』》〉】）］", strict=True))
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}
_NEVER_LAST = _CLOSING.keys() - set("“‘")  # some languages end a quotation with “
_NEVER_FIRST = _OPENING.keys() - set("”’")  # ’ is also an apostrophe
_BOUND = r"(?: [^\s,;()\[\]（）［］] | ,(?=\d) ){1,20}"  # 0, 2π or 1,000
_INTERVAL = re.compile(rf"[\[(［（] ( \s? {_BOUND} \s? [,;] \s? {_BOUND} \s? ) [\])］）]", re.VERBOSE)
_LONGEST_INTERVAL = 48
_TERMINATOR = re.compile("[.!?…。！？]")
_ENDED = re.compile(r"""[.!?…。！？]["'”’»)\]」』》〉]*$""")
_LONGEST_SENTENCE = 1000


def whole_characters(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without white space at its ends that cuts no character as a human sees it.

    A tokenizer may split a letter from its combining marks, an emoji from its modifiers, or a Hangul syllable that is
    written in single letters.
    """
    start, end = _without_blanks(text, start, end)
    while 0 < start < end and _continues(text, start):
        start -= 1
    while start < end < len(text) and _continues(text, end):
        end += 1
    return start, end


def answer_bounds(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the bounds of the answer that a span of characters means: whole characters and whole pairs of brackets.

    ``4711)`` and ``FIFA (`` lose the bracket, and ``FIFA (Zurich`` gets it if it comes next. The two brackets of an
    interval are a pair, such as those of ``[0, 1)``.
    """
    start, end = whole_characters(text, start, end)
    paired = _INTERVAL.sub(r"[\1]", text[start : end + _LONGEST_INTERVAL])  # of the same length
    first, last = _whole_pairs(paired, 0, end - start)
    return whole_characters(text, start + first, start + last)


def _whole_pairs(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end:
        first, last, following = text[start], text[end - 1], text[end : end + 1]
        if following in _OPENING and _surplus(text[start:end], following) < 0:
            end += 1
        elif last in _NEVER_LAST or (last in _OPENING and _surplus(text[start:end], last) > 0):
            end -= 1
        elif first in _NEVER_FIRST or (first in _CLOSING and _surplus(text[start:end], _CLOSING[first]) < 0):
            start += 1
        else:
            break
        start, end = _without_blanks(text, start, end)
    return start, end


def _without_blanks(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    return start, end


def _surplus(span: str, closing: str) -> int:
    """Return how many more closing brackets than opening ones a span has."""
    return span.count(closing) - span.count(_OPENING[closing])


def crosses_sentence(text: str, start: int, end: int) -> bool:
    """Tell whether a span goes on after a sentence; the end of a line ends none, nor does a stop within brackets."""
    if not _TERMINATOR.search(text, start, end - 1):
        return False
    begin = max(0, start - _LONGEST_SENTENCE)  # in a long passage, sentences are not looked for from its beginning
    for first, last in sentence_spans(text[begin : end + _LONGEST_SENTENCE]):
        first, last = begin + first, begin + last
        if last >= end:
            break
        if last > start and _ENDED.search(text, first, last) and not _is_in_brackets(text, start, last, end):
            return True
    return False


def _is_in_brackets(text: str, start: int, offset: int, end: int) -> bool:
    """Tell whether an offset in a span lies between brackets that the span opens and closes."""
    return any(_surplus(text[start:offset], closing) < 0 <= _surplus(text[start:end], closing) for closing in _OPENING)


def _is_blank(letter: str) -> bool:
    """Tell whether a character is white space or invisible to a model."""
    return not fold_forms(letter).strip()


def _continues(text: str, offset: int) -> bool:
    """Tell whether the code point at an offset belongs to the one before it."""
    letter = text[offset]
    if unicodedata.category(letter)[0] == "M" or letter in _JOINERS or text[offset - 1] == _JOINERS[0]:
        return True
    return ord(letter) in _CONJOINING
