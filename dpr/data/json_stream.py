"""Read the objects of a JSON array as a stream, for files that do not fit in memory.

DPR's training files are such arrays of gigabytes. A sequence of objects (JSON lines) can be read, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from dpr.data.files import LARGEST_LINE_BYTES, Location, not_utf8, reading, refuse_nul
from dpr.data.intake import STRICT, Intake, WholeFileError
from dpr.data.record import Record, parse_record
from dpr.errors import DataError

_BLOCK_CHARACTERS = 1 << 20

_SEPARATORS = re.compile(r"[\s,\[\]\ufeff]*")


def read_objects(path: Path, intake: Intake = STRICT) -> Iterator[tuple[int, Record]]:
    """Yield the objects of a JSON array, or of a sequence of JSON objects, in order, each with its number from 0.

    Raises:
        DataError: the file has another form, is truncated, or is not UTF-8.
    """

    def record(numbered: tuple[int, tuple[int, str]]) -> tuple[int, Record]:
        number, (line, text) = numbered
        return number, parse_record(text, Location(path, line))

    with reading(path, intake.encoding) as raw:
        refuse_nul(raw.peek(1), Location(path))
        with TextIOWrapper(raw, encoding="utf-8-sig") as file:
            try:
                yield from intake.sift(record, enumerate(_object_texts(file, path)))
            except UnicodeDecodeError as error:
                raise not_utf8(error, Location(path)) from None


def _object_texts(file: TextIO, path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each object, whose end the decoder of the standard library finds."""
    decoder = json.JSONDecoder()
    text, position, line, is_open = "", 0, 1, False
    while True:
        separators = _SEPARATORS.match(text, position)
        start = separators.end() if separators else position
        last_open, last_close = text.rfind("[", position, start), text.rfind("]", position, start)
        is_open = is_open if last_open == last_close else last_open > last_close
        line += text.count("\n", position, start)
        try:
            _, end = decoder.raw_decode(text, start)
        except RecursionError:
            raise WholeFileError.at(path, line, "has lists or objects that are nested too deeply") from None
        except json.JSONDecodeError as error:
            # an incomplete object cannot be decoded: double the text
            remainder = text[start:]
            if len(remainder) > LARGEST_LINE_BYTES:
                cause = f"is no JSON object of at most {LARGEST_LINE_BYTES >> 20} MiB ({error.msg})"
                raise WholeFileError.at(path, line, cause) from None
            block = file.read(max(_BLOCK_CHARACTERS, len(remainder)))
            if not block:
                if remainder:
                    cause = f"is not valid JSON, or the file is truncated ({error.msg})"
                    raise DataError.at(path, line, cause) from None
                if is_open:
                    raise DataError.at(path, line, "the file ends before its list does; it is truncated") from None
                return
            text, position = remainder + block, 0
        else:
            yield line, text[start:end]
            line += text.count("\n", start, end)
            position = end
