"""Read files with one record a row as a stream: JSON lines, tables as text, Parquet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from dpr.data import tables
from dpr.data.fields import CONTAINERS, UnreadValue, metadata_of
from dpr.data.files import (
    LARGEST_LINE_BYTES,
    PACKED_ENDINGS,
    Location,
    largest_unpacked_bytes,
    open_binary,
    read_lines,
    too_large_unpacked,
    with_packed,
)
from dpr.data.identity import content_id
from dpr.data.intake import STRICT, Intake, LeftOut, WholeFileError
from dpr.data.record import Record, parse_record
from dpr.data.table_header import Header
from dpr.documents.formats import FORMATS as DOCUMENT_FORMATS
from dpr.errors import DataError
from dpr.types import Passage
from dpr.unicode_form import composed

TEXT_NAMES = ("text", "passage", "contents", "content", "body", "본문", "내용")
TITLE_NAMES = ("title", "제목")
ID_NAMES = ("id", "_id", "pid", "docid", "번호")

_PARQUET_BATCH_ROWS = 1024

_POSITION_NAMES = ("document_id", "start")

_PASSAGE_COLUMNS = (*ID_NAMES, *TEXT_NAMES, *TITLE_NAMES, *_POSITION_NAMES)

PASSAGE_HEADER = Header(
    key="text",
    needs={"text": frozenset(TEXT_NAMES)},
    headerless=("id", "text", "title"),
    other_names=frozenset((*ID_NAMES, *TITLE_NAMES, *_POSITION_NAMES)),
)
"""The header of a table of passages; without one, columns are those of DPR's passages."""

_QA_ENDINGS = with_packed((".qa.csv", ".qa.tsv"))


def read_jsonl(path: Path, intake: Intake = STRICT) -> Iterator[Record]:
    """Yield the object of each line."""
    return intake.sift(lambda line: parse_record(line[1], line[0]), read_lines(path, intake))


def read_tsv(path: Path, intake: Intake = STRICT, header: Header = PASSAGE_HEADER) -> Iterator[Record]:
    """Yield each row of tab-separated values under its column names: see `dpr.data.tables.read_tsv`."""
    return tables.read_tsv(path, header, intake)


def read_csv(path: Path, intake: Intake = STRICT, header: Header = PASSAGE_HEADER) -> Iterator[Record]:
    """Yield each row of comma-separated values under its column names: see `dpr.data.tables.read_csv`."""
    return tables.read_csv(path, header, intake)


def read_parquet(
    path: Path,
    _intake: Intake = STRICT,
    names: Collection[str] = _PASSAGE_COLUMNS,
    needs: Sequence[str] = TEXT_NAMES,
    *,
    with_others: bool = True,
) -> Iterator[Record]:
    """Yield each row with the columns of these names; a batch of rows is in memory at a time.

    The names are known in any case. Rows have the other columns, too, under their names as they are, unless
    ``with_others`` is false; a column of a type that passages do not keep is not read.

    Raises:
        WholeFileError: the file has none of the columns that it ``needs``, or a column twice; a text has more than
            `LARGEST_LINE_BYTES`, or all of them more than `LARGEST_RATIO` times the size of the file.
    """
    with open_binary(path) as raw:
        try:
            file = pq.ParquetFile(raw)
            columns = _known_columns(path, file.schema_arrow.names, names, needs)
            unread: dict[str, UnreadValue] = {}
            if with_others:
                other_columns, unread = _other_columns(file.schema_arrow, set(columns.values()))
                columns = {**other_columns, **columns}
            _check_pages(path, file, list(columns.values()))
            strings = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
            file = pq.ParquetFile(raw, read_dictionary=[name for name in columns.values() if name in strings])
            number = size_bytes = 0
            for rows in _row_slices(path, file, list(columns.values())):
                size_bytes += sum(map(_text_bytes, rows.columns))
                if size_bytes > largest_unpacked_bytes(path):
                    raise too_large_unpacked(path)
                for row in rows.to_pylist():
                    number += 1
                    fields = {name: row[column] for name, column in columns.items()}
                    yield Record({**unread, **fields}, Location(path, number, unit="row"))
        except (pa.ArrowException, OSError) as error:
            cause = str(error).splitlines()[0]
            raise DataError.at(path, None, f"cannot be read as Parquet ({cause})") from None


def _check_pages(path: Path, file: pq.ParquetFile, columns: Sequence[str]) -> None:
    """Refuse pages that decompress to too much, before any is read."""
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        chunks = [group.column(index) for index in range(group.num_columns)]
        known_chunks = [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] in columns]
        if sum(chunk.total_uncompressed_size for chunk in known_chunks) > largest_unpacked_bytes(path):
            raise too_large_unpacked(path)


def _row_slices(path: Path, file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield rows of which no more than about `LARGEST_LINE_BYTES` are in memory as Python's objects.

    A text that many rows share is stored once in the file, and once in a batch.
    """
    for batch in file.iter_batches(batch_size=_PARQUET_BATCH_ROWS, columns=columns):
        longest = max((_longest_bytes(column) for column in batch.columns), default=0)
        if longest > LARGEST_LINE_BYTES:
            cause = f"has a text of more than {LARGEST_LINE_BYTES >> 20} MiB; split it into more rows"
            raise WholeFileError.at(path, None, cause)
        count = max(1, LARGEST_LINE_BYTES // max(1, longest))
        batch = _in_microseconds(batch)
        for start in range(0, batch.num_rows, count):
            yield batch.slice(start, count)


def _in_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose times have Python's precision."""
    columns = [
        compute.cast(column, pa.timestamp("us", column.type.tz), safe=False)
        if pa.types.is_timestamp(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _longest_bytes(column: pa.Array) -> int:
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return 0
    return compute.max(compute.binary_length(values)).as_py() or 0


def _text_bytes(column: pa.Array) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = compute.binary_length(column.dictionary)
    return compute.sum(lengths.take(column.indices)).as_py() or 0


def _known_columns(path: Path, columns: Sequence[str], names: Collection[str], needs: Sequence[str]) -> dict[str, str]:
    """Return the column of each known name, in any case and Unicode form."""
    column_of: dict[str, str] = {}
    for column in columns:
        name = composed(column).strip().lower()
        if name in column_of:
            raise WholeFileError.at(path, None, f"has the column {name!r} twice; rename one of them")
        if name in names:
            column_of[name] = column
    if column_of.keys().isdisjoint(needs):
        cause = f"has no column {needs[0]!r} (it has {', '.join(columns)}); rename a column to {needs[0]!r}"
        raise WholeFileError.at(path, None, cause)
    return column_of


def _other_columns(schema: pa.Schema, known_columns: Collection[str]) -> tuple[dict[str, str], dict[str, UnreadValue]]:
    """Return the columns of further fields by name, and those that are not read, because of their type."""
    others = {composed(field.name).strip(): field for field in schema if field.name not in known_columns}
    columns = {name: field.name for name, field in others.items() if _is_kept(name, field.type)}
    unread = {name: UnreadValue(str(field.type)) for name, field in others.items() if name not in columns}
    return columns, unread


def _is_kept(name: str, column_type: pa.DataType) -> bool:
    """Tell whether a column has values of a type that passages keep; a struct may be an object of such values."""
    if pa.types.is_list(column_type) or pa.types.is_large_list(column_type) or pa.types.is_dictionary(column_type):
        return _is_text(column_type.value_type)
    return (
        _is_text(column_type)
        or (name in CONTAINERS and pa.types.is_struct(column_type))
        or any(is_type(column_type) for is_type in _KEPT_TYPES)
    )


def _is_text(column_type: pa.DataType) -> bool:
    return bool(pa.types.is_string(column_type) or pa.types.is_large_string(column_type))


_KEPT_TYPES = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_timestamp,
)

RowReader = Callable[[Path, Intake], Iterator[Record]]

_TEXT_FORMATS: dict[str, RowReader] = {".jsonl": read_jsonl, ".tsv": read_tsv, ".csv": read_csv}

ROW_FORMATS: dict[str, RowReader] = {
    **{packed: read for ending, read in _TEXT_FORMATS.items() for packed in with_packed((ending,))},
    ".parquet": read_parquet,
}
"""The reader of a file by its ending. A new format is one more entry."""


def listed_formats() -> str:
    """Return a phrase with the endings, without those of compressed files: ``.jsonl, .tsv or .csv``."""
    *first_endings, last = [ending for ending in ROW_FORMATS if not ending.endswith(PACKED_ENDINGS)]
    return f"{', '.join(first_endings)} or {last}"


def row_format(path: PurePath) -> str | None:
    """Return the ending of ROW_FORMATS that a file has, or None."""
    return next((ending for ending in ROW_FORMATS if path.name.lower().endswith(ending)), None)


def read_rows(path: Path, intake: Intake = STRICT) -> Iterator[Record]:
    """Yield the records of one file, by the format of its ending.

    Raises:
        DataError: an unknown ending, or a row that cannot be read.
    """
    ending = row_format(path)
    if ending is None:
        endings = ", ".join([*ROW_FORMATS, *DOCUMENT_FORMATS])
        cause = f"unknown file ending; use one of {endings}, or put a kind before a QA file, as in squad:{path.name}"
        raise DataError.at(path, None, cause)
    if path.name.lower().endswith(_QA_ENDINGS):
        raise WholeFileError.at(
            path, None, f"has the name of a file of questions without passages; read it as dpr:{path.name}"
        )
    return ROW_FORMATS[ending](path, intake)


def has_text(record: Record) -> bool:
    """Tell whether a row has a text, under one of `TEXT_NAMES`.

    Raises:
        DataError: it is not a string, or several fields may be the text.
    """
    return bool(record.optional(_text_name(record), str, "").strip())


def passage_of(record: Record, left_out: LeftOut | None = None) -> Passage:
    """Return the passage of a row.

    Only the text is required, as ``text`` or else one of `TEXT_NAMES`. Optional fields are the id and the title
    (`ID_NAMES`, `TITLE_NAMES`), ``document_id`` and ``start``. A row without an id gets that of its content. Further
    fields are the passage's metadata; ``left_out`` counts those of other types: see `dpr.data.fields.metadata_of`.
    """
    text_name = _text_name(record)
    text = record.text(text_name)
    start = _start(record)
    own_names = {text_name, _first_present(record, ID_NAMES), _first_present(record, TITLE_NAMES), *_POSITION_NAMES}
    if record.value("end") == start + len(text):  # the end of the passage, as `Passage.to_dict` writes it
        own_names.add("end")
    return Passage(
        id=record.identifier(*ID_NAMES) or content_id(text),
        text=text,
        title=title_of(record),
        document_id=record.identifier("document_id"),
        start=start,
        metadata=metadata_of(record, own_names, left_out),
    )


def title_of(record: Record) -> str:
    """Return the title of a row, under one of `TITLE_NAMES`; empty without one.

    Raises:
        DataError: it is not a string.
    """
    return record.optional(_first_present(record, TITLE_NAMES), str, "").strip()


def _first_present(record: Record, names: Sequence[str]) -> str:
    """Return the first of the names that has a value, or the first of all."""
    return next((name for name in names if record.value(name) is not None), names[0])


def _text_name(record: Record) -> str:
    first, *alternatives = TEXT_NAMES
    if record.value(first) is not None:
        return first
    names = [name for name in alternatives if record.value(name) is not None]
    if len(names) > 1:
        raise record.error(f"its text may be {' or '.join(map(repr, names))}; rename one of them to {first!r}")
    return names[0] if names else first


def _start(record: Record) -> int:
    """Return the offset, which is text in a table."""
    digits = record.identifier("start") or "0"
    if not digits.isdecimal():
        raise record.error(f"'start' is {digits!r}; it must be a whole number from 0")
    return int(digits)
