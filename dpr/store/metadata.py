"""The further fields of passages on disk: an Arrow file of typed columns beside the passages file.

The type of a field is known once all passages are read. Until then, a spill file holds the values as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from dpr.errors import IndexFormatError
from dpr.metadata import Metadata, MetadataValue, json_value
from dpr.store.field_types import FIELD_TYPES, merged_types
from dpr.types import Passage

BATCH_ROWS = 8192
"""Rows of a record batch, as in the passages file."""

ARROW_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
    "string": pa.large_string(),
    "strings": pa.large_list(pa.large_string()),
}
"""The type of the column of each of `FIELD_TYPES`."""

_NAMES = {arrow: name for name, arrow in ARROW_TYPES.items()}


class MetadataSpill:
    """The fields of the passages of a stream, in a temporary file until their types are known."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows = 0

    def through(self, passages: Iterable[Passage]) -> Iterator[Passage]:
        """Yield passages, after their fields are written."""
        with self._path.open("wb") as file:
            for passage in passages:
                values = {name: json_value(value) for name, value in passage.metadata.items()}
                file.write(orjson.dumps(values) + b"\n")
                self.rows += 1
                yield passage

    def metadata(self) -> Iterator[Metadata]:
        """Yield the fields of each passage; dates and times are strings."""
        with self._path.open("rb") as file:
            yield from map(orjson.loads, file)


@contextmanager
def metadata_spill(folder: Path) -> Iterator[MetadataSpill]:
    """Yield a spill in a folder, which is removed afterwards."""
    path = folder / "metadata.spill"
    try:
        yield MetadataSpill(path)
    finally:
        path.unlink(missing_ok=True)


def write_metadata(path: Path, metadata: Iterable[Metadata], types: Mapping[str, str]) -> None:
    """Write the fields of passages in their order to an Arrow file, a batch at a time; no file without fields.

    Args:
        path: the file.
        metadata: the fields of each passage.
        types: the type of each field by name.
    """
    if not types:
        return
    schema = schema_of(types)
    rows = iter(metadata)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        while batch := list(islice(rows, BATCH_ROWS)):
            columns = [
                [None if name not in row else FIELD_TYPES[type_name].read(row[name]) for row in batch]
                for name, type_name in types.items()
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def schema_of(types: Mapping[str, str]) -> pa.Schema:
    """Return the Arrow schema of fields."""
    return pa.schema([(name, ARROW_TYPES[type_name]) for name, type_name in types.items()])


def open_batches(path: Path) -> tuple[pa.Schema, list[Any]]:
    """Map the record batches of an Arrow file; return its schema and them.

    Raises:
        IndexFormatError: the file is absent or damaged.
    """
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        return reader.schema, [reader.get_batch(number) for number in range(reader.num_record_batches)]
    except (OSError, pa.ArrowException) as error:
        raise IndexFormatError(f"{path} cannot be read ({error}); rebuild with dpr-index build") from error


def open_metadata(path: Path, row_counts: Sequence[int]) -> list[Any]:
    """Map the record batches of a metadata file, None for each batch of passages if there is no file.

    Raises:
        IndexFormatError: the file is damaged, or has other rows than the batches of passages.
    """
    if not path.exists():
        return [None] * len(row_counts)
    schema, batches = open_batches(path)
    unknown = [field.name for field in schema if field.type not in _NAMES]
    if unknown or [batch.num_rows for batch in batches] != list(row_counts):
        cause = f"has the column {unknown[0]!r} of an unknown type" if unknown else "has no row for each passage"
        raise IndexFormatError(f"{path} {cause}; rebuild with dpr-index build")
    return batches


def types_of(batch: Any) -> dict[str, str]:
    """Return the type of each field of a metadata batch by name; empty without one."""
    schema = [] if batch is None else batch.schema
    return {field.name: _NAMES[field.type] for field in schema}


class FieldColumns:
    """The columns of fields over all rows of an index, by name."""

    def __init__(self, batches: Sequence[Any], row_counts: Sequence[int]) -> None:
        """Serve the metadata batch of each batch of passages, None for one without fields, and its rows.

        ``types`` are the types of all fields by name.
        """
        self._batches = batches
        self._row_counts = row_counts
        self.types = merged_types(map(types_of, batches))

    def column(self, name: str) -> Any:
        """Return the values of a field for all rows as an Arrow chunked array; null where a passage lacks it."""
        arrow = ARROW_TYPES[self.types[name]]
        chunks = [
            pa.nulls(count, arrow)
            if batch is None or name not in batch.schema.names
            else batch.column(name).cast(arrow, safe=False)  # integers of a segment that another one made numbers
            for batch, count in zip(self._batches, self._row_counts, strict=True)
        ]
        return pa.chunked_array(chunks, arrow)

    def of_row(self, batch: int, offset: int) -> dict[str, MetadataValue]:
        """Return the fields of a row of a batch."""
        columns = self._batches[batch]
        if columns is None:
            return {}
        values = zip(columns.schema.names, (column[offset].as_py() for column in columns.columns), strict=True)
        return {name: value for name, value in values if value is not None}

    def of_batch(self, batch: int) -> Iterator[dict[str, MetadataValue]]:
        """Yield the fields of each row of a batch."""
        columns = self._batches[batch]
        if columns is None:
            for _ in range(self._row_counts[batch]):
                yield {}
            return
        for values in zip(*(column.to_pylist() for column in columns.columns), strict=True):
            pairs = zip(columns.schema.names, values, strict=True)
            yield {name: value for name, value in pairs if value is not None}
