"""One form for text that reads the same: width, composition, enclosure, invisible characters, case, accents.

`fold_forms` is for models, which know punctuation, superscripts and case; it leaves ordinary text unchanged.
`normalize` is for terms, and goes further.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from dpr.types import IntArray

_FORM_TAGS = frozenset(
    (
        *("<wide>", "<narrow>", "<small>", "<square>", "<circle>", "<font>", "<noBreak>"),
        *("<initial>", "<medial>", "<final>", "<isolated>", "<vertical>"),
    )
)
"""Decomposition tags of letters, digits and signs in another width, style or enclosure (Unicode, UAX 44)."""

_FORM_BLOCKS = (
    *(range(0xA0, 0xE00), range(0x1D00, 0x3400), range(0xF900, 0x10000)),
    *(range(0x1D400, 0x1D800), range(0x1EE00, 0x1EF00), range(0x1F100, 0x1F300), range(0x2F800, 0x2FA20)),
)
"""Where Unicode has its compatibility characters, less those of South Asian scripts, which are ordinary text there."""

# A class of single characters beyond the first plane would be slow, ranges are not.
_BEYOND_THE_PLANE = "\U0001d400-\U0001d7ff\U0001ee00-\U0001eeff\U0001f100-\U0001f2ff\U0002f800-\U0002fa1f"

# To a program they divide a word that a reader sees whole. A joiner within an emoji or in Persian has a meaning.
_INVISIBLE = "\u00ad\u034f\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_WORD_LETTERS = "0-9A-Za-z\u00c0-\u024f\u1100-\u11ff\uac00-\ud7a3"
_JOINER = f"(?<=[{_WORD_LETTERS}])[\u200c\u200d](?=[{_WORD_LETTERS}])"
_ALL_INVISIBLE = re.compile(f"[{_INVISIBLE}\u200c\u200d\ufe00-\ufe0f]+")

_CONJOINING = range(0x1100, 0x1200)
_LONE_LETTERS = "\u3131-\u318e"
_HALF_WIDTH_LETTERS = "\uffa1-\uffdc"
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SYLLABLE = re.compile(f"([{_INITIALS}])([{_VOWELS}])(?:([{_FINALS}])(?![{_VOWELS}]))?")

# NFKC would turn ㅋ and ㅏ, letters that stand alone, into the conjoining letters of a syllable.
_COMPATIBLE = re.compile(rf"[^{_LONE_LETTERS}]+")

_KEYBOARD_SIGNS = str.maketrans(
    dict.fromkeys("\u02b9\u02bb\u02bc\u2018\u2019\u201b\u2032\u055a`\u00b4", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u02d7", "-")
    | {"\u2044": "/", "\u266f": "#"}
)
_POINT_BETWEEN_DIGITS = re.compile(r"(?<=\d)[·\u2022\u2027\u2219\u22c5\u30fb\u318d](?=\d)")


def normalize(text: str) -> str:
    """Return the form that terms are made from: `fold_forms`, then Unicode's NFKC, without invisible characters.

    Typographic apostrophes and hyphens become those of the keyboard, and a raised point between digits (``3·1운동``) a
    point; halves of surrogate pairs, which no UTF-8 text holds, become question marks.
    """
    if text.isascii():
        return text
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    text = fold_forms(_ALL_INVISIBLE.sub("", text))
    if not unicodedata.is_normalized("NFKC", text):
        text = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return _POINT_BETWEEN_DIGITS.sub(".", text.translate(_KEYBOARD_SIGNS))


def fold(word: str) -> str:
    """Return a normalized word without case and accents: ``Beyoncé`` and ``BEYONCE`` are one."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFD", word.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare)


def fold_forms(text: str) -> str:
    """Return the form that a model reads: letters, digits and signs in their plain width and form, composed (NFC).

    ``２００４ ㎞ ① ㈜`` becomes ``2004 km 1 (주)``. Ordinary text, with its case, punctuation, superscripts, fractions
    and emoji, is returned unchanged.
    """
    if text.isascii() or not _has_forms(text):
        return text
    return "".join(plain for plain, _, _ in _pieces(text))


@dataclass(frozen=True, slots=True, eq=False)
class FoldedText:
    """A text after `fold_forms`, with the offsets of its characters in the original.

    ``starts`` and ``ends``, (N,), are the span of the original that each character of ``text`` comes from; None where
    nothing was folded.
    """

    text: str
    starts: IntArray | None = None
    ends: IntArray | None = None

    @classmethod
    def from_text(cls, original: str) -> FoldedText:
        """Fold a text."""
        if original.isascii() or not _has_forms(original):
            return cls(original)
        pieces: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for plain, start, end in _pieces(original):
            pieces.append(plain)
            if len(plain) == end - start and plain == original[start:end]:
                starts += range(start, end)
                ends += range(start + 1, end + 1)
            else:
                starts += [start] * len(plain)
                ends += [end] * len(plain)
        return cls("".join(pieces), np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64))

    def original_spans(self, spans: IntArray) -> IntArray:
        """Return spans of the original, (S, 2), for spans [start, end) of the folded text, (S, 2).

        A form is never cut, and an empty span stays empty.
        """
        if self.starts is None or self.ends is None or not len(spans):
            return spans
        length = len(self.starts)
        if not length:
            return np.zeros_like(spans)
        firsts = self.starts[np.minimum(spans[:, 0], length - 1)]
        lasts = self.ends[np.clip(spans[:, 1] - 1, 0, length - 1)]
        return np.stack([firsts, np.where(spans[:, 1] > spans[:, 0], lasts, firsts)], axis=1)


def _has_forms(text: str) -> bool:
    return not _forms().signs.isdisjoint(text) or not unicodedata.is_normalized("NFC", text)


def _pieces(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the folded text in pieces, each with the span that it comes from."""
    forms, end = _forms(), 0
    for match in forms.cell.finditer(text):
        if match.start() > end:
            yield text[end : match.start()], end, match.start()
        end = match.end()
        if match.lastgroup == "letters":
            yield from _syllables(match[0].translate(forms.plain), match.start())
        else:
            plain = unicodedata.normalize("NFC", match[0].translate(forms.plain))
            yield _lone_letter(plain), match.start(), end
    if end < len(text):
        yield text[end:], end, len(text)


def _syllables(letters: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Yield a run of single letters as syllables, where a consonant meets a vowel, and as the letters between them."""
    end = 0
    for match in _SYLLABLE.finditer(letters):
        if match.start() > end:
            yield letters[end : match.start()], start + end, start + match.start()
        end = match.end()
        initial, vowel, final = match.groups()
        index = _INITIALS.index(initial) * len(_VOWELS) + _VOWELS.index(vowel)
        index = index * (1 + len(_FINALS)) + (1 + _FINALS.index(final) if final else 0)
        yield chr(0xAC00 + index), start + match.start(), start + end  # Unicode, section 3.12
    if end < len(letters):
        yield letters[end:], start + end, start + len(letters)


def _lone_letter(text: str) -> str:
    """Return the letter that stands alone for a single conjoining one; anything else unchanged."""
    if len(text) != 1 or ord(text) not in _CONJOINING:
        return text
    name = re.sub("CHOSEONG|JUNGSEONG|JONGSEONG", "LETTER", unicodedata.name(text))
    try:
        return unicodedata.lookup(name)
    except KeyError:  # letters of old Korean that have no form of their own
        return text


@dataclass(frozen=True, slots=True)
class _Forms:
    """The plain form of each character, the characters that need folding, and the pattern of one fold."""

    plain: dict[int, str]
    signs: frozenset[str]
    cell: re.Pattern[str]


@cache
def _forms() -> _Forms:
    """Return the table of forms; it is made from Python's Unicode data when the first text needs it (0.1 s)."""
    plain = {code: _plain(chr(code)) for block in _FORM_BLOCKS for code in block}
    plain |= {0x2010: "-", 0x2011: "-"}  # the hyphens that look like the one of the keyboard
    plain |= dict.fromkeys((code for code in plain if _ALL_INVISIBLE.match(chr(code))), "")
    plain = {code: folded for code, folded in plain.items() if folded != chr(code) and not 0xFE00 <= code <= 0xFE0F}
    marks = "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)).startswith("M"))
    mark = f"[{marks}\u1160-\u11ff\ud7b0-\ud7ff\uff9e\uff9f{_INVISIBLE}]"
    joiners = set("\u200c\u200d")
    single = {chr(code) for code in (*plain, *_CONJOINING)} - joiners
    in_plane = "".join(re.escape(character) for character in single if character <= "\uffff")
    cell = (
        f"(?P<letters>[{_LONE_LETTERS}{_HALF_WIDTH_LETTERS}]+)"
        f"|(?:[{in_plane}]|[{_BEYOND_THE_PLANE}]|{_JOINER}){mark}*"
        f"|.{mark}+"
    )
    return _Forms(plain, frozenset(single | joiners | set(_VOWELS)), re.compile(cell, re.DOTALL))


def _plain(character: str) -> str:
    """Return the plain form of a character; the character itself where it has none, or where models know both."""
    if "\u3131" <= character <= "\u318e":
        return character
    decomposition = unicodedata.decomposition(character).split()
    if not decomposition:
        return character
    tag = decomposition[0] if decomposition[0].startswith("<") else ""
    plain_form = "".join(_plain(chr(int(code, 16))) for code in decomposition[bool(tag) :])
    if not tag:
        return unicodedata.normalize("NFC", character)
    if tag in _FORM_TAGS or (tag == "<compat>" and _is_of_letters(plain_form)):
        return _lone_letter(unicodedata.normalize("NFC", plain_form))
    return character


def _is_of_letters(form: str) -> bool:
    """Tell whether a compatibility form stands for letters and digits, or a blank: ``㈜``, ``Ⅳ``, not ``…``."""
    return form == " " or (
        any(map(str.isalnum, form)) and all(character.isalnum() or character in "()./°,·" for character in form)
    )
