"""Tables as text: tab-separated and comma-separated values, with or without a header, read as a stream."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from dpr.data.files import LARGEST_LINE_BYTES, Place, decode, raw_lines
from dpr.data.intake import STRICT, Intake, WholeFileError
from dpr.data.record import Record
from dpr.data.table_header import ROWS_BELOW, Header, column_names
from dpr.errors import DataError

_DELIMITERS = ",;\t"

_LONGEST_CELL_LINES = 1000

# A cell is quoted by the rules of CSV only if the whole of it is: prose often merely begins with a quotation.
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^\t]*))(?:\t|\Z)')
_OPEN_CELL = re.compile(r'"[^"]*(?:""[^"]*)*')

Row = tuple[Place, list[str] | DataError]
"""Where a row begins, and its cells or what is wrong with it."""


def read_tsv(path: Path, header: Header, intake: Intake = STRICT) -> Iterator[Record]:
    """Yield each row under its column names, in lower case.

    A row is one line, or more where a quoted cell holds line breaks. A row that has another number of columns than the
    first one is a bad row.

    Raises:
        WholeFileError: the first row cannot be read, or is a header without a known column.
    """
    return _records(_tsv_rows(_decoded(path, intake.encoding)), header, intake)


def read_csv(path: Path, header: Header, intake: Intake = STRICT) -> Iterator[Record]:
    """Yield each row under its column names, as `read_tsv`; cells are quoted as RFC 4180 says.

    Cells are separated by commas, or by semicolons or tabs where that makes the first row a header.

    Raises:
        WholeFileError: as `read_tsv`, or a quoted cell does not end.
    """
    return _records(_csv_rows(_decoded(path, intake.encoding), header), header, intake)


def _records(rows: Iterator[Row], header: Header, intake: Intake) -> Iterator[Record]:
    first_rows = list(islice(rows, 1 + ROWS_BELOW))
    if not first_rows:
        return
    (place, cells), *rows_below = first_rows
    if isinstance(cells, DataError):
        raise WholeFileError(str(cells))
    cells_below = [cells for _, cells in rows_below if not isinstance(cells, DataError)]
    columns, is_header = header.columns(cells, place, cells_below)
    for place, cells in chain(rows_below if is_header else first_rows, rows):
        if isinstance(cells, DataError):
            intake.on_bad_row(cells)
        elif len(cells) == len(columns):
            yield Record(dict(zip(columns, cells, strict=True)), place)
        else:
            named = ", ".join(columns)
            intake.on_bad_row(place.error(f"has {len(cells)} columns where {len(columns)} are expected ({named})"))


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with its end; where it cannot be decoded, ``error`` says why, and the text is only nearly right."""

    place: Place
    text: str
    error: DataError | None = None


def _decoded(path: Path, encoding: str) -> Iterator[_Line]:
    for place, raw in raw_lines(path, encoding):
        try:
            line = _Line(place, decode(raw, place))
        except WholeFileError:
            raise
        except DataError as error:
            line = _Line(place, raw.decode("utf-8", "replace"), error)
        yield line


def _csv_rows(lines: Iterator[_Line], header: Header) -> Iterator[Row]:
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
                raise _never_closed(row[0].place)
            yield line.text.rstrip("\r\n") + "\n"

    csv.field_size_limit(LARGEST_LINE_BYTES)
    reader = csv.reader(texts(), delimiter=_delimiter(first.text, header), strict=True)
    while True:
        row.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _never_closed(row[0].place) from None
            yield row[0].place, row[0].place.error(f"is not CSV ({error})")
            continue
        if any(cell.strip() for cell in cells):
            broken = next((line.error for line in row if line.error), None)
            yield row[0].place, broken or cells


def _never_closed(place: Place) -> WholeFileError:
    return WholeFileError(
        f"{place}: a cell that begins with a quotation mark here has no end; close or double the mark"
    )


def _delimiter(line: str, header: Header) -> str:
    """Return what separates the names of a header, else a comma."""
    for delimiter in _DELIMITERS:
        names = column_names([cell.strip().strip('"') for cell in line.split(delimiter)])
        if header.is_header(names) and len(names) > 1:
            return delimiter
    return _DELIMITERS[0]


def _tsv_rows(lines: Iterator[_Line]) -> Iterator[Row]:
    """Yield rows; a quoted cell goes on over lines where the row then fits, and its lines are not rows themselves."""
    ahead: deque[_Line] = deque()
    width = 0
    while line := ahead.popleft() if ahead else next(lines, None):
        row = [line]
        if not line.text.strip():
            continue
        cells = split_cells(line.text.rstrip("\r\n"))
        if '"' in line.text and (joined := _joined(line, ahead, lines)):
            joined_cells = split_cells("\n".join(part.text.rstrip("\r\n") for part in joined))
            are_rows = width > 1 and {len(split_cells(part.text.rstrip("\r\n"))) for part in joined} == {width}
            if not are_rows and len(joined_cells) == (width or len(joined_cells)):
                row, cells = joined, joined_cells
                for _ in joined[1:]:
                    ahead.popleft()
        width = width or len(cells)
        broken = next((part.error for part in row if part.error), None)
        yield line.place, broken or cells


def _joined(line: _Line, ahead: deque[_Line], lines: Iterator[_Line]) -> list[_Line]:
    """Return a line and those after it up to where its open cell ends; those stay ``ahead``. Empty if none is open."""
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
                return []  # prose: its next quotation mark ends no cell
            position = _open_cell(text, closed.end())
    return joined if len(joined) > 1 else []


def _open_cell(line: str, position: int) -> int | None:
    """Return where a quoted cell begins that has no end in the line, None if there is none."""
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
    """Split a tab-separated line, taking off the quotes of cells that are quoted as in CSV.

    The csv module would also take the quotes off a cell that only begins with a quotation.
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
