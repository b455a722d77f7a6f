"""Find sentences in English and Korean text by rules.

A sentence ends at a terminator before white space, at a line break, and in Korean also at a terminator before the next
sentence without a space. A full stop does not end a sentence inside a number, after an initial, an abbreviation or the
label of an item, or before lower case; nor does the mark of a name, as in Yahoo! Inc. and Panic! at the Disco.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_HANGUL = "\uac00-\ud7a3"

_BOUNDARY = re.compile(
    rf"""
      (?<! [.!?…。！？] ) (?P<stop> [.!?…。！？]++ )
      (?P<closing> (?: ["'”’»)\]」』》〉] | \[\d+\] )*+ )    # quotes, brackets, reference marks
      (?= \s | $ )
    | (?<=[다요죠까음임됨함]) [.!?]+ (?= (?: (?P<quote> ["'] ) | [“‘(「『《] )? [{_HANGUL}] )   # 했다.그리고
    | [。！？]+
    | [\n\r\u2028\u2029]
    """,
    re.VERBOSE,
)

_ABBREVIATIONS = frozenset(
    " ".join(
        (
            "capt col dr fr gen gov hon jr lt maj messrs mr mrs ms pres prof rep rev sen sgt sr st supt",
            "jan feb mar apr jun jul aug sep sept oct nov dec",
            "al approx art ave bros ca cf ch co corp dept ed eds esp est etc fig figs ft inc ltd mt no nos op pp pt",
            "univ v viz vol vols vs",
        )
    ).split()
)

_STARTERS = frozenset(
    " ".join(
        (
            "a an her his its my one our the that their these this those your",
            "he i it she they we you here how then there what when where who why",
            "after although and as at but by during every few for from however if in later many meanwhile most on",
            "since so some such though to today under until while with",
        )
    ).split()
)
"""Words that in capitals begin a sentence instead of continuing a name: ``in the U.S. They`` but ``the U.S. Army``."""

_LABEL = re.compile(
    r"\d+(?:\.\d+)*|제?\d+(?:조(?:의\d+)?|[항호목장절관편])|[가나다라마바사아자차카타파하]|[a-z]|[IVX]+|[Ⅰ-Ⅻ]"
)
"""What numbers an item at the beginning of a sentence: ``1. Introduction``, ``제3조. 목적``, ``가. 정의``."""

_COMPANY_FORMS = frozenset(("co", "corp", "inc", "llc", "ltd", "plc"))

_NOT_BLANK = re.compile(r"\S")
_LAST_WORD = re.compile(r"(?:[^\W_]+\.)*[^\W_]+$")
_DOTTED = re.compile(r"(?:[A-Za-z]{1,2}\.)+[A-Za-z]{1,2}")  # e.g, U.S, Ph.D
_NEXT_WORD = re.compile(r"""[\s"'“‘(\[]*([AI]\.(?=\s[^\W\d_])|[^\W_]*)""")  # in "A. A. Milne", A. is no article
_ABBREVIATION_WINDOW = 24


def sentence_spans(text: str) -> Iterator[Span]:
    """Yield the offsets (start, end) of each sentence, without the white space around it.

    The spans are sorted, do not overlap, and cover every character except white space.
    """
    start = _skip_blanks(text, 0)
    for match in _BOUNDARY.finditer(text):
        if match["stop"] and not _ends_sentence(text, start, match):
            continue
        if match["quote"] and text.count(match["quote"], start, match.start()) % 2:
            continue  # it closes the quotation: "나는 간다."라고
        if start < match.end():
            yield start, start + len(text[start : match.end()].rstrip())
        start = _skip_blanks(text, match.end())
    if start < len(text):
        yield start, start + len(text[start:].rstrip())


def _skip_blanks(text: str, position: int) -> int:
    match = _NOT_BLANK.search(text, position)
    return match.start() if match else len(text)


def _ends_sentence(text: str, sentence_start: int, match: re.Match[str]) -> bool:
    following = _NEXT_WORD.match(text, match.end())
    next_word = following[1] if following else ""
    before = _LAST_WORD.search(text, max(sentence_start, match.start() - _ABBREVIATION_WINDOW), match.start())
    if next_word[:1].islower():
        if match["stop"][-1] not in "!?" or match["closing"]:
            return False  # a full stop before lower case belongs to an abbreviation; '"Why?" he asked' continues
        is_name = before is not None and before[0][0].isupper() and next_word.islower()
        return not is_name  # Panic! at the Disco continues, "say what? no way" does not
    if match["stop"] != ".":
        return not (match["stop"] == "!" and next_word[:1].isupper() and next_word.lower() in _COMPANY_FORMS)
    if before is None:
        return True
    return _full_stop_ends(before[0], next_word, is_first=before.start() == sentence_start)


def _full_stop_ends(word: str, next_word: str, *, is_first: bool) -> bool:
    """Tell whether ``word.`` ends a sentence before ``next_word``; ``is_first``: the word begins the sentence."""
    if is_first and _LABEL.fullmatch(word):
        return False
    if word.isdecimal():
        return next_word[:1].isupper()  # "2018. 5. 3." and "제1. 서론" continue; "in 1990. The" does not
    is_initial = len(word) == 1 and word.isascii() and word.isupper()
    if is_initial or _DOTTED.fullmatch(word) or word.lower() in _ABBREVIATIONS:
        return not next_word or next_word.lower() in _STARTERS
    return True
