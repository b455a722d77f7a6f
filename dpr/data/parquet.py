"""Read Parquet files as records, a batch of rows at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from dpr.data.fields import CONTAINERS, UnreadValue
from dpr.data.files import LARGEST_LINE_BYTES, Location, largest_unpacked_bytes, open_binary, too_large_unpacked
from dpr.data.intake import WholeFileError
from dpr.data.record import Record
from dpr.errors import DataError
from dpr.metadata import EXPORTED_FIELDS, Text
from dpr.unicode_form import composed

_BATCH_ROWS = 1024

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6}

_BOUNDS_S = (-62_135_596_800, 253_402_300_800)
"""The first second of the year 1, and that after the year 9999, since 1970; there are no others in Python."""

_BOUNDS_DAYS = (-719_162, 2_932_897)
"""The same in days."""


def read_parquet(
    path: Path,
    names: Collection[str],
    needs: Sequence[str],
    *,
    with_others: bool = True,
) -> Iterator[Record]:
    """Yield each row with the columns of these names; a batch of rows is in memory at a time.

    The columns of a file that `index_builder.export` wrote are known by its list of fields, which it says the types of.

    The names are known in any case. Rows have the other columns, too, under their names as they are, unless
    ``with_others`` is false; a column of a type that passages do not keep is not read.

    Raises:
        WholeFileError: the file has none of the columns that it ``needs``, or a column twice; a text has more than
            `LARGEST_LINE_BYTES`, or all of them more than `LARGEST_RATIO` times the size of the file.
    """
    with open_binary(path) as raw:
        try:
            file = pq.ParquetFile(raw)
            exported = _exported_fields(file) if with_others else None
            columns = _known_columns(path, file.schema_arrow.names, names, needs, exported or ())
            unread: dict[str, UnreadValue] = {}
            if exported is not None:
                columns |= {name: name for name in exported}
            elif with_others:
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
                values = dict(zip(rows.schema.names, map(_python_values, rows.columns), strict=True))
                for row in zip(*(values[column] for column in columns.values()), strict=True):
                    number += 1
                    fields = {**unread, **dict(zip(columns, row, strict=True))}
                    if exported is not None:
                        fields = _with_types(fields, exported)
                    yield Record(fields, Location(path, number, unit="row"))
        except (pa.ArrowException, OSError, OverflowError) as error:  # OverflowError: a day of no year of Python's
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
    for batch in map(_without_views, file.iter_batches(batch_size=_BATCH_ROWS, columns=columns)):
        longest = max((_longest_bytes(column) for column in batch.columns), default=0)
        if longest > LARGEST_LINE_BYTES:
            cause = f"has a text of more than {LARGEST_LINE_BYTES >> 20} MiB; split it into more rows"
            raise WholeFileError.at(path, None, cause)
        count = max(1, LARGEST_LINE_BYTES // max(1, longest))
        for start in range(0, batch.num_rows, count):
            yield batch.slice(start, count)


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose texts are of types that Arrow measures."""
    columns = [
        column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _python_values(column: pa.Array) -> list[Any]:
    """Return the values of a column; times are in UTC with Python's precision.

    A day or a time before the year 1 or after the year 9999, which Python has not, is an `UnreadValue`.
    """
    if pa.types.is_timestamp(column.type):
        bounds = None if column.type.unit == "ns" else _scaled(_BOUNDS_S, column.type.unit)
        in_python = pa.timestamp("us", column.type.tz and "UTC")
    elif pa.types.is_date(column.type):
        bounds = _BOUNDS_DAYS if pa.types.is_date32(column.type) else _scaled(_BOUNDS_S, "ms")
        in_python = column.type
    else:
        bounds, in_python = None, column.type
    if bounds is None:
        return list(column.cast(in_python, safe=False).to_pylist())
    counts = column.view(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    is_known = compute.and_(compute.greater_equal(counts, bounds[0]), compute.less(counts, bounds[1]))
    values = compute.cast(compute.if_else(is_known, column, None), in_python, safe=False).to_pylist()
    unknown = UnreadValue(f"{column.type}, before the year 1 or after 9999")
    return [unknown if flag is False else value for value, flag in zip(values, is_known.to_pylist(), strict=True)]


def _scaled(bounds: tuple[int, int], unit: str) -> tuple[int, int]:
    return bounds[0] * _PER_SECOND[unit], bounds[1] * _PER_SECOND[unit]


def _longest_bytes(column: pa.Array) -> int:
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not _is_text(values.type):
        return 0
    return compute.max(compute.binary_length(values)).as_py() or 0


def _text_bytes(column: pa.Array) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = compute.binary_length(column.dictionary)
    return compute.sum(lengths.take(column.indices)).as_py() or 0


def _exported_fields(file: pq.ParquetFile) -> dict[str, str] | None:
    """Return the type of each field of an export by name; None for another file."""
    try:
        fields = json.loads((file.schema_arrow.metadata or {})[EXPORTED_FIELDS])
    except (KeyError, ValueError):
        return None
    return fields if isinstance(fields, dict) and fields.keys() <= set(file.schema_arrow.names) else None


def _with_types(fields: dict[str, object], types: Mapping[str, str]) -> dict[str, object]:
    """Return a row of an export with its fields in an object, as an export to JSON lines has them."""
    passage_values = {name: value for name, value in fields.items() if name not in types}
    further = {name: fields[name] for name in types}
    further |= {name: Text(fields[name]) for name, of in types.items() if of == "string" and fields[name] is not None}
    return {**passage_values, CONTAINERS[0]: further}


def _known_columns(
    path: Path, columns: Sequence[str], names: Collection[str], needs: Sequence[str], fields: Collection[str]
) -> dict[str, str]:
    """Return the column of each known name, in any case and Unicode form; those of ``fields`` have other meanings."""
    column_of: dict[str, str] = {}
    for column in columns:
        if column in fields:
            continue
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
    return any(is_type(column_type) for is_type in _TEXT_TYPES)


_TEXT_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)

_KEPT_TYPES = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_timestamp,
)
