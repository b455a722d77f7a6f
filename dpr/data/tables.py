"""Read tables as text as a stream: tab-separated and comma-separated values, with or without a header."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from dpr.data.files import LARGEST_LINE_BYTES, Location, decode, raw_lines
from dpr.data.intake import STRICT, Intake, WholeFileError
from dpr.data.record import Record
from dpr.data.table_header import ROWS_BELOW, Header, column_names
from dpr.errors import DataError

_DELIMITERS = ",;\t"

_SEPARATOR_LINE = re.compile(r'"?sep=([,;|\t])"?', re.IGNORECASE)

_LONGEST_CELL_LINES = 1000

# a cell is quoted as in CSV only if the whole cell is: prose often begins with a quotation
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^\t]*))(?:\t|\Z)')
_OPEN_CELL = re.compile(r'"[^"]*(?:""[^"]*)*')

Row = tuple[Location, list[str] | DataError]
"""The location of a row, with its cells or its error."""


def read_tsv(path: Path, header: Header, intake: Intake = STRICT) -> Iterator[Record]:
    """Yield each row with its column names; the known ones are in lower case.

    A row is one line, or several if a quoted cell has line breaks. A row with another number of columns than the first
    one is a bad row.

    Raises:
        WholeFileError: the first row cannot be read, or is a header without a known column.
    """
    return _records(_tsv_rows(_decoded(path, intake.encoding)), header, intake, "tab")


def read_csv(path: Path, header: Header, intake: Intake = STRICT) -> Iterator[Record]:
    """Yield each row with its column names, as `read_tsv`; cells are quoted as in RFC 4180.

    The separator is a comma, or a semicolon or tab if that makes the first row a header, or what a first line ``sep=;``
    says, as Excel writes it.

    Raises:
        WholeFileError: as `read_tsv`, or a quoted cell does not end.
    """
    return _records(_csv_rows(_decoded(path, intake.encoding), header), header, intake, "comma")


def _records(rows: Iterator[Row], header: Header, intake: Intake, separator: str) -> Iterator[Record]:
    first_rows = list(islice(rows, 1 + ROWS_BELOW))
    if not first_rows:
        return
    (location, cells), *rows_below = first_rows
    if isinstance(cells, DataError):
        raise WholeFileError(str(cells))
    cells_below = [cells for _, cells in rows_below if not isinstance(cells, DataError)]
    columns, is_header = header.columns(cells, location, cells_below)
    for location, cells in chain(rows_below if is_header else first_rows, rows):
        if isinstance(cells, DataError):
            intake.on_bad_row(cells)
        elif len(cells) == len(columns):
            yield Record(dict(zip(columns, cells, strict=True)), location, is_table=True)
        else:
            has = f"has no {separator} and so 1 column" if len(cells) == 1 else f"has {len(cells)} columns"
            intake.on_bad_row(location.error(f"{has} instead of {len(columns)} ({', '.join(columns)})"))


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with its line end; if it cannot be decoded, it has an ``error`` and an approximate text."""

    location: Location
    text: str
    error: DataError | None = None


def _decoded(path: Path, encoding: str) -> Iterator[_Line]:
    for location, raw in raw_lines(path, encoding):
        try:
            line = _Line(location, decode(raw, location))
        except WholeFileError:
            raise
        except DataError as error:
            line = _Line(location, raw.decode("utf-8", "replace"), error)
        yield line


def _csv_rows(lines: Iterator[_Line], header: Header) -> Iterator[Row]:
    stated = None
    first = next((line for line in lines if line.text.strip()), None)
    if first is not None and (match := _SEPARATOR_LINE.fullmatch(first.text.rstrip("\r\n"))):
        stated = match[1]
        first = next((line for line in lines if line.text.strip()), None)
    if first is None:
        return
    row: list[_Line] = []  # the lines of the row that is being read

    def texts() -> Iterator[str]:
        size = 0
        for line in chain([first], lines):
            size = len(line.text) + (size if row else 0)
            row.append(line)
            if size > LARGEST_LINE_BYTES:
                raise _never_closed(row[0].location)
            yield line.text.rstrip("\r\n") + "\n"

    csv.field_size_limit(LARGEST_LINE_BYTES)
    reader = csv.reader(texts(), delimiter=stated or _delimiter(first.text, header), strict=True)
    while True:
        row.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _never_closed(row[0].location) from None
            yield row[0].location, row[0].location.error(f"is not CSV ({error})")
            continue
        if any(cell.strip() for cell in cells):
            broken = next((line.error for line in row if line.error), None)
            yield row[0].location, broken or cells


def _never_closed(location: Location) -> WholeFileError:
    return WholeFileError(f"{location}: a cell begins with a quotation mark and does not end; close or double the mark")


def _delimiter(line: str, header: Header) -> str:
    """Return the separator of the names of a header, else a comma."""
    for delimiter in _DELIMITERS:
        names = column_names([cell.strip().strip('"') for cell in line.split(delimiter)])
        if header.is_header(names) and len(names) > 1:
            return delimiter
    return _DELIMITERS[0]


def _tsv_rows(lines: Iterator[_Line]) -> Iterator[Row]:
    """Yield rows; a quoted cell spans lines if the row then fits, and its lines are not rows themselves."""
    ahead: deque[_Line] = deque()
    width = 0
    while line := ahead.popleft() if ahead else next(lines, None):
        row = [line]
        if not line.text.strip():
            continue
        cells = split_cells(line.text.rstrip("\r\n"))
        if '"' in line.text and (joined := _joined(line, ahead, lines)):
            joined_cells = split_cells("\n".join(line.text.rstrip("\r\n") for line in joined))
            are_rows = width > 1 and {len(split_cells(line.text.rstrip("\r\n"))) for line in joined} == {width}
            if not are_rows and len(joined_cells) == (width or len(joined_cells)):
                row, cells = joined, joined_cells
                for _ in joined[1:]:
                    ahead.popleft()
        width = width or len(cells)
        broken = next((line.error for line in row if line.error), None)
        yield line.location, broken or cells


def _joined(line: _Line, ahead: deque[_Line], lines: Iterator[_Line]) -> list[_Line]:
    """Return a line with the lines up to the end of its open cell, which stay ``ahead``; empty if no cell is open."""
    text, joined = line.text.rstrip("\r\n"), [line]
    position = _open_cell(text, 0)
    while position is not None:
        if len(joined) > len(ahead):
            if (following := next(lines, None)) is None:
                return []
            ahead.append(following)
        following = ahead[len(joined) - 1]
        joined.append(following)
        text = text + "\n" + following.text.rstrip("\r\n")
        if len(joined) > _LONGEST_CELL_LINES or len(text) > LARGEST_LINE_BYTES:
            return []
        cell = _OPEN_CELL.match(text, position) if '"' in following.text else None
        if cell is not None and cell.end() < len(text):
            closed = _CELL.match(text, position)
            if closed is None or closed.group(1) is None:
                return []  # prose: the next quotation mark does not end a cell
            position = _open_cell(text, closed.end())
    return joined if len(joined) > 1 else []


def _open_cell(line: str, position: int) -> int | None:
    """Return the offset of a quoted cell that does not end in the line, None if there is none."""
    while position < len(line):
        cell = _OPEN_CELL.match(line, position)
        if cell is not None and cell.end() == len(line):
            return position
        match = _CELL.match(line, position)
        if match is None:
            return None
        position = match.end()
    return None


def split_cells(line: str) -> list[str]:
    """Split a tab-separated line and remove the quotes of cells that are quoted as in CSV.

    The csv module would also remove the quotes of a cell that only begins with a quotation.
    """
    if '"' not in line:
        return line.split("\t")
    cells, position = [], 0
    while position <= len(line):
        match = _CELL.match(line, position)
        if match is None or match.end() == position == len(line):
            break
        quoted, plain = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        position = match.end()
    return [*cells, ""] if line.endswith("\t") else cells
