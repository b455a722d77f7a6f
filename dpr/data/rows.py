"""Files with one record a row: JSON lines, tab-separated values, Parquet; read as a stream, whatever their size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dpr.data.files import Place, open_binary, read_lines
from dpr.data.identity import content_id
from dpr.data.record import Record, parse_record
from dpr.errors import DataError
from dpr.types import Passage

_PARQUET_BATCH_ROWS = 1024

_PASSAGE_COLUMNS = ("id", "_id", "text", "title", "document_id", "start")

_HEADERLESS_COLUMNS = ("id", "text", "title")

# A cell is quoted by the rules of CSV only if the whole of it is: prose often merely begins with a quotation.
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^\t]*))(?:\t|$)')


def read_jsonl(path: Path) -> Iterator[Record]:
    """Yield the object of each line."""
    for place, line in read_lines(path):
        yield parse_record(line, place)


def split_cells(line: str) -> list[str]:
    """Split a tab-separated line, taking off the quotes of cells that are quoted as in CSV.

    The csv module would also take the quotes off a cell that only begins with a quotation, and has a largest cell.
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


def names_text(cells: Sequence[str]) -> bool:
    """Tell whether a first line is the header of passages: one of its cells is ``text``."""
    return "text" in cells


def read_tsv(
    path: Path,
    is_header: Callable[[Sequence[str]], bool] = names_text,
    headerless: Sequence[str] = _HEADERLESS_COLUMNS,
) -> Iterator[Record]:
    """Yield each row under its column names, in lower case; a row is one line.

    Args:
        path: the file.
        is_header: tells of the first line's cells, in lower case, whether they are column names.
        headerless: what the columns are called without a header, of which the first two must be there; by default
            DPR's id, text and title.

    Raises:
        DataError: a row has another number of columns than the header.
    """
    columns: Sequence[str] = ()
    for place, line in read_lines(path):
        cells = split_cells(line)
        if not columns:
            names = [cell.strip().lower() for cell in cells]
            has_header = is_header(names)
            columns = names if has_header else headerless[: max(2, len(cells))]
            if has_header:
                continue
        if len(cells) != len(columns):
            named = ", ".join(columns)
            raise place.error(f"has {len(cells)} columns where {len(columns)} are expected ({named})")
        yield Record(dict(zip(columns, cells, strict=True)), place)


def read_parquet(path: Path) -> Iterator[Record]:
    """Yield each row, with only the columns that make a passage, a batch of rows in memory at a time."""
    with open_binary(path) as raw:
        try:
            file = pq.ParquetFile(raw)
            columns = [name for name in file.schema_arrow.names if name in _PASSAGE_COLUMNS]
            number = 0
            for batch in file.iter_batches(batch_size=_PARQUET_BATCH_ROWS, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(row, Place(path, number, unit="row"))
        except (pa.ArrowException, OSError) as error:
            cause = str(error).splitlines()[0]
            raise DataError.at(path, None, f"cannot be read as Parquet ({cause})") from None


ROW_FORMATS: Mapping[str, Callable[[Path], Iterator[Record]]] = {
    ".jsonl": read_jsonl,
    ".jsonl.gz": read_jsonl,
    ".jsonl.zst": read_jsonl,
    ".tsv": read_tsv,
    ".tsv.gz": read_tsv,
    ".tsv.zst": read_tsv,
    ".parquet": read_parquet,
}
"""How to read a file, by its ending."""


def row_format(path: Path) -> str | None:
    """Return the ending of ROW_FORMATS that a file has, or None."""
    return next((ending for ending in ROW_FORMATS if path.name.lower().endswith(ending)), None)


def read_rows(path: Path) -> Iterator[Record]:
    """Yield the records of one file, read as its ending says.

    Raises:
        DataError: an unknown ending, or a row that cannot be read.
    """
    ending = row_format(path)
    if ending is None:
        known = ", ".join(ROW_FORMATS)
        cause = f"unknown file ending; use one of {known}, or name what a QA file is, as in squad:{path.name}"
        raise DataError.at(path, None, cause)
    return ROW_FORMATS[ending](path)


def passage_of(record: Record) -> Passage:
    """Make the passage that a row describes.

    Only ``text`` is required; ``id`` (or ``_id``), ``title``, ``document_id`` and ``start`` are read where they are
    given, and a row without an id is given the one of its content.
    """
    text = record.text("text")
    return Passage(
        id=record.identifier("id", "_id") or content_id(text),
        text=text,
        title=record.optional("title", str, "").strip(),
        document_id=record.identifier("document_id"),
        start=_start(record),
    )


def _start(record: Record) -> int:
    """Return the offset, which a TSV holds as digits."""
    digits = record.identifier("start") or "0"
    if not digits.isdecimal():
        raise record.error(f"'start' is {digits!r} where a whole number from 0 is expected")
    return int(digits)
