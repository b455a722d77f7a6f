"""Write the passages of an index to a file, with their fields, and with vectors if they are wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from dpr.array_files import open_vectors
from dpr.durable import naming_a_full_disk
from dpr.errors import ConfigError, DataError
from dpr.metadata import EXPORTED_FIELDS, json_metadata
from dpr.store.field_types import FieldTyper
from dpr.store.metadata import ARROW_TYPES
from dpr.types import FloatArray, Passage, Progress, no_progress
from index_builder.current import Current
from index_builder.update import windows_of

logger = logging.getLogger(__name__)

BATCH_PASSAGES = 1024

_VECTOR_COLUMNS = ("windows", "vectors")

_PASSAGE_COLUMNS = ("id", "text", "title", "document_id", "start")


@dataclass(frozen=True, slots=True)
class Exported:
    """A passage with the windows of its text, (W, 2), and their vectors, (W, D); None without vectors."""

    passage: Passage
    windows: list[list[int]] | None = None
    vectors: FloatArray | None = None


def export(root: Path, output: Path, *, with_vectors: bool = False, progress: Progress = no_progress) -> int:
    """Write the passages of the published generation, deleted ones left out, in their order; return their number.

    A ``.jsonl`` file has an object a line, its fields under ``metadata``; a ``.parquet`` file a column for each field.
    Either can be indexed again; JSON lines do not say the types of fields, so a warning names those that would be read
    as of another type. The file replaces an earlier one when it is complete.

    Raises:
        ConfigError: the ending of the file is unknown, or the index has no vectors, or has a field of their name.
        IndexFormatError: there is no published index, or a file of it cannot be used.
        DiskFullError: there is no space left.
    """
    write = WRITERS.get(output.suffix.lower())
    if write is None:
        raise ConfigError(f"{output} has an ending that cannot be exported to; use one of {', '.join(WRITERS)}")
    current = Current.read(root)
    if with_vectors and current.manifest.encoder is None:
        raise ConfigError(f"the index {root} has no vectors; leave --vectors out")
    clashing_fields = [name for name in _VECTOR_COLUMNS if with_vectors and name in current.manifest.fields]
    if clashing_fields:
        raise ConfigError(
            f"the index {root} has a field {clashing_fields[0]!r}, as vectors are called; leave --vectors out"
        )
    if not output.parent.is_dir():
        raise ConfigError(f"the folder {output.parent} does not exist; create it, or name another file")
    total = len(current.passages)
    unfinished = output.with_name(f".{output.name}.unfinished")
    with naming_a_full_disk(output):
        try:
            write(unfinished, _reported(_exported(current, with_vectors), progress, total), current)
            unfinished.replace(output)
        finally:
            unfinished.unlink(missing_ok=True)
    return total


def _reported(exported: Iterator[Exported], progress: Progress, total: int) -> Iterator[Exported]:
    for count, item in enumerate(exported):
        if count % BATCH_PASSAGES == 0:
            progress("export", count, total)
        yield item
    progress("export", total, total)


def _exported(current: Current, with_vectors: bool) -> Iterator[Exported]:
    passages = iter(current.passages)
    if not with_vectors or current.manifest.encoder is None:
        yield from map(Exported, passages)
        return
    for segment in current.segments:
        windows = windows_of(segment)
        vectors = open_vectors(segment.files.vectors, segment.record.vectors, current.manifest.encoder.dimension)
        ends = np.searchsorted(windows[:, 0], np.arange(segment.record.passages), side="right").tolist()
        for row, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            if segment.is_deleted is None or not segment.is_deleted[row]:
                yield Exported(next(passages), windows[start:end, 1:].tolist(), np.asarray(vectors[start:end]))


def _write_jsonl(path: Path, exported: Iterator[Exported], current: Current) -> None:
    typer = FieldTyper()
    with path.open("wb") as file:
        for item in exported:
            row = item.passage.to_dict()
            with suppress(DataError):  # values of two types, such as integers in a field that has become one of numbers
                typer.add(json_metadata(item.passage.metadata), lambda: "")  # type: ignore[arg-type]  # JSON values
            if item.vectors is not None:
                row |= {"windows": item.windows, "vectors": item.vectors}
            file.write(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))
    for name, type_name in typer.types().items():
        if type_name != current.manifest.fields[name]:
            declared = f"--field {name}:{current.manifest.fields[name]}"
            logger.warning("JSON lines do not say the type of the field %r: index them with %s", name, declared)


def _write_parquet(path: Path, exported: Iterator[Exported], current: Current) -> None:
    schema = pa.schema(
        [
            *((name, pa.large_string()) for name in _PASSAGE_COLUMNS[:-1]),
            (_PASSAGE_COLUMNS[-1], pa.int64()),
            *((name, ARROW_TYPES[type_name]) for name, type_name in current.manifest.fields.items()),
        ],
        metadata={EXPORTED_FIELDS: orjson.dumps(dict(current.manifest.fields))},
    )
    first = next(exported, None)
    if first is not None and first.vectors is not None:
        schema = schema.append(pa.field("windows", pa.list_(pa.list_(pa.int32()))))
        schema = schema.append(pa.field("vectors", pa.list_(pa.list_(pa.float32()))))
    items = chain([] if first is None else [first], exported)
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(items, BATCH_PASSAGES)):
            writer.write_batch(pa.RecordBatch.from_pylist([_parquet_row(item) for item in batch], schema))


def _parquet_row(item: Exported) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(item.passage, name) for name in _PASSAGE_COLUMNS}
    row |= item.passage.metadata
    if item.vectors is not None:
        row |= {"windows": item.windows, "vectors": list(item.vectors)}
    return row


WRITERS: dict[str, Callable[[Path, Iterator[Exported], Current], None]] = {
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
"""What writes a file, by its ending."""
