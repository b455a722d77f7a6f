"""Read a text file of an unknown encoding: UTF-8, what its first bytes or the user say, or Korean in cp949."""

from __future__ import annotations

import codecs
from pathlib import Path

from dpr.errors import DocumentError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 1 << 16


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Return the text of a file.

    A byte order mark decides; then UTF-8, then the ``encoding``, then cp949, which Korean Windows writes, where most of
    the characters are Hangul by it.

    Raises:
        DocumentError: the file is no text, or in another encoding.
    """
    return decode(path.read_bytes(), encoding)


def decode(content: bytes, encoding: str = "utf-8") -> str:
    """Decode a text as `read_text` does."""
    for mark, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode_as(content, name)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        if codecs.lookup(encoding).name != "utf-8":
            return _decode_as(content, encoding)
        if not looks_like_cp949(content[:_SAMPLE_BYTES]):
            cause = "is neither UTF-8 nor Korean in cp949; name its encoding with --encoding, or save it as UTF-8"
            raise DocumentError(cause) from None
        return _decode_as(content, "cp949")
    if "\0" not in text:
        return text
    if codecs.lookup(encoding).name != "utf-8":  # ASCII in UTF-16 without a mark is UTF-8 with NULs
        return _decode_as(content, encoding)
    raise DocumentError("has NUL characters, so it is no text, or UTF-16; name its encoding with --encoding")


def _decode_as(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeError:
        raise DocumentError(f"is not in the encoding {encoding}; save it as UTF-8") from None


def looks_like_cp949(raw: bytes | bytearray) -> bool:
    """Tell whether most characters beyond ASCII are Hangul in cp949; UTF-8 read as cp949 would not be."""
    characters = [character for character in raw.decode("cp949", "replace") if character > "\x7f"]
    return 2 * sum("가" <= character <= "힣" for character in characters) > len(characters)
