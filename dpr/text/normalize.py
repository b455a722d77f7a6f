"""One form for text that reads the same: width, composition, invisible characters, case, accents."""

from __future__ import annotations

import re
import unicodedata

# NFKC would turn ㅋ and ㅏ, letters that stand alone, into the conjoining letters of a syllable.
_LONE_HANGUL_LETTERS = "\u3131-\u318e"
_COMPATIBLE = re.compile(rf"[^{_LONE_HANGUL_LETTERS}]+")

# Soft hyphens, zero-width characters and byte order marks divide words that the eye sees whole.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]+")


def normalize(text: str) -> str:
    """Return the text in Unicode's form NFKC, which joins Hangul letters to syllables and narrows full-width forms.

    Invisible characters go; halves of surrogate pairs, which no UTF-8 text holds, become question marks.
    """
    if text.isascii():
        return text
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    text = _INVISIBLE.sub("", text)
    if unicodedata.is_normalized("NFKC", text):
        return text
    return _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def fold(word: str) -> str:
    """Return a normalized word without case and accents: ``Beyoncé`` and ``BEYONCE`` are one."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFD", word.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare)
