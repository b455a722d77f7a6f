"""Escape ids for the columns of TREC's files, which are separated by white space.

White space in an id is percent-encoded (a space is ``%20``, U+3000 ``%E3%80%80``), and so is a ``%`` that would
otherwise begin such a code or ``%25``. All other characters stay: an id without white space and these codes is written
unchanged.
"""

from __future__ import annotations

import re
from urllib.parse import quote

_WHITE_SPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
_CHARACTER_OF = {"%25": "%"} | {quote(character): character for character in _WHITE_SPACE}
_CODE = re.compile("|".join(_CHARACTER_OF))
_TO_ESCAPE = re.compile(rf"\s|%(?={'|'.join(code[1:] for code in _CHARACTER_OF)})")


def escape_id(identity: str) -> str:
    """Return an id as written to a TREC file; `unescape_id` is the inverse."""
    return _TO_ESCAPE.sub(lambda match: quote(match[0]), identity)


def unescape_id(column: str) -> str:
    """Return the id in a column of a TREC file."""
    return _CODE.sub(lambda match: _CHARACTER_OF[match[0]], column)
