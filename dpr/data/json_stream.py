"""The objects of a JSON array one at a time, for files that would not fit in memory as a whole.

DPR's own training files are such arrays, of gigabytes. Objects that merely follow each other (JSON lines) are read
just as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from dpr.data.files import Place, reading
from dpr.data.record import Record, parse_record
from dpr.errors import DataError

_BLOCK_CHARACTERS = 1 << 20
_LARGEST_OBJECT_CHARACTERS = 1 << 27

_SEPARATORS = re.compile(r"[\s,\[\]]*")


def read_objects(path: Path) -> Iterator[Record]:
    """Yield the objects of a JSON array, or of a sequence of JSON objects, in order.

    Raises:
        DataError: the file holds something else, ends in the middle, or is not UTF-8.
    """
    with reading(path) as raw, TextIOWrapper(raw, encoding="utf-8-sig") as file:
        try:
            for line, text in _object_texts(file, path):
                yield parse_record(text, Place(path, line))
        except UnicodeDecodeError as error:
            raise DataError.at(path, None, f"is not UTF-8 ({error.reason}); save the file as UTF-8") from None


def _object_texts(file: TextIO, path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each object: the standard library's decoder can tell where one ends."""
    decoder = json.JSONDecoder()
    text, position, line, is_open = "", 0, 1, False
    while True:
        separators = _SEPARATORS.match(text, position)
        start = separators.end() if separators else position
        opened, closed = text.rfind("[", position, start), text.rfind("]", position, start)
        is_open = is_open if opened == closed else opened > closed
        line += text.count("\n", position, start)
        try:
            _, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            # What cannot be decoded may only be cut off: read on, as much again as is held.
            rest = text[start:]
            block = file.read(max(_BLOCK_CHARACTERS, len(rest))) if len(rest) < _LARGEST_OBJECT_CHARACTERS else ""
            if not block:
                _require_end(rest, is_open, Place(path, line), error.msg)
                return
            text, position = rest + block, 0
        else:
            yield line, text[start:end]
            line += text.count("\n", start, end)
            position = end


def _require_end(rest: str, is_open: bool, place: Place, cause: str) -> None:
    if rest:
        raise place.error(f"is not valid JSON, or the file is truncated ({cause})")
    if is_open:
        raise place.error("the file ends before its list does; it is truncated")
