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

from dpr.data.files import LARGEST_LINE_BYTES, Place, not_utf8, reading, refuse_nul
from dpr.data.intake import STRICT, Intake, WholeFileError
from dpr.data.record import Record, parse_record

_BLOCK_CHARACTERS = 1 << 20

_SEPARATORS = re.compile(r"[\s,\[\]]*")


def read_objects(path: Path, intake: Intake = STRICT) -> Iterator[tuple[int, Record]]:
    """Yield the objects of a JSON array, or of a sequence of JSON objects, in order, each with its number from 0.

    Raises:
        DataError: the file holds something else, ends in the middle, or is not UTF-8.
    """

    def record(numbered: tuple[int, tuple[int, str]]) -> tuple[int, Record]:
        number, (line, text) = numbered
        return number, parse_record(text, Place(path, line))

    with reading(path, intake.encoding) as raw:
        refuse_nul(raw.peek(1), Place(path))
        with TextIOWrapper(raw, encoding="utf-8-sig") as file:
            try:
                yield from intake.sift(record, enumerate(_object_texts(file, path)))
            except UnicodeDecodeError as error:
                raise not_utf8(error, Place(path)) from None


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
        except RecursionError:
            raise WholeFileError.at(path, line, "holds lists or objects too deep in each other") from None
        except json.JSONDecodeError as error:
            # What cannot be decoded may only be cut off: read on, as much again as is held.
            rest = text[start:]
            if len(rest) > LARGEST_LINE_BYTES:
                cause = f"is no JSON object of at most {LARGEST_LINE_BYTES >> 20} MiB ({error.msg})"
                raise WholeFileError.at(path, line, cause) from None
            block = file.read(max(_BLOCK_CHARACTERS, len(rest)))
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
