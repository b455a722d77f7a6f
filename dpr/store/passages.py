"""Passages on disk: an Arrow IPC file, memory-mapped, read row by row without loading the rest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from dpr.errors import IndexFormatError
from dpr.store.layout import SegmentFiles
from dpr.store.metadata import BATCH_ROWS, FieldColumns, open_batches, open_metadata
from dpr.types import BoolArray, Int32Array, IntArray, Passage, RankArray

BATCH_PASSAGES = BATCH_ROWS
"""Passages of a record batch, which is in memory while it is written."""

_DIGEST_BYTES = 17

SCHEMA = pa.schema(
    [
        ("id", pa.large_string()),
        ("text", pa.large_string()),
        ("title", pa.large_string()),
        ("document_id", pa.large_string()),
        ("start", pa.int64()),
    ]
)


def write_passages(path: Path, passages: Iterable[Passage]) -> int:
    """Write passages to an Arrow file in their order, with one batch in memory at a time; return their number.

    Their further fields are written by `dpr.store.metadata.write_metadata`.
    """
    count = 0
    stream = iter(passages)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        while batch := list(islice(stream, BATCH_PASSAGES)):
            columns = [[getattr(passage, name) for passage in batch] for name in SCHEMA.names]
            writer.write_batch(pa.record_batch(columns, schema=SCHEMA))
            count += len(batch)
    return count


class PassageStore:
    """The passages of an index by row, and rows by passage id; a row counts through the segments in their order.

    ``fields`` has the columns of their further fields.
    """

    def __init__(
        self, batches: Sequence[Any], id_rank: RankArray | None = None, metadata: Sequence[Any] | None = None
    ) -> None:
        """Serve the record batches of passages files, and the ``metadata`` batch of each, None for one without fields.

        ``id_rank`` (P,) is the rank of each row's id among the sorted ids, negative for a deleted passage. With it,
        ``row_of`` need not sort the ids; without it, no passage is deleted.
        """
        self._batches = batches
        self._columns = [batch.columns for batch in batches]
        row_counts = [batch.num_rows for batch in batches]
        self._ends = list(accumulate(row_counts))
        self._metadata = [None] * len(batches) if metadata is None else metadata
        self.fields = FieldColumns(self._metadata, row_counts)
        self._id_rank = id_rank
        self._order: Any = None

    @classmethod
    def open(cls, paths: Path | Sequence[Path], id_rank: RankArray | None = None) -> PassageStore:
        """Map the passages file of each segment, and the file of their further fields beside it.

        Raises:
            IndexFormatError: a file is absent, damaged, or has other columns.
        """
        batches: list[Any] = []
        metadata: list[Any] = []
        for path in [paths] if isinstance(paths, Path) else paths:
            schema, of_file = open_batches(path)
            if schema != SCHEMA:
                columns = ", ".join(schema.names)
                raise IndexFormatError(
                    f"{path} has the columns {columns}, not a passage's; rebuild with dpr-index build"
                )
            batches += of_file
            metadata += open_metadata(SegmentFiles(path.parent).metadata, [batch.num_rows for batch in of_file])
        return cls(batches, id_rank, metadata)

    def __len__(self) -> int:
        """Return the number of passages that are not deleted."""
        return self.row_count if self._id_rank is None else int((self._id_rank >= 0).sum())

    @property
    def row_count(self) -> int:
        """The number of rows, those of deleted passages included."""
        return self._ends[-1] if self._ends else 0

    @property
    def alive(self) -> npt.NDArray[np.integer[Any]]:
        """The rows of the passages that are not deleted, ascending."""
        return np.arange(self.row_count) if self._id_rank is None else np.flatnonzero(self._id_rank >= 0)

    def __getitem__(self, row: int) -> Passage:
        batch, offset = self._locate(row)
        passage_id, text, title, document_id, start = (column[offset].as_py() for column in self._columns[batch])
        return Passage(passage_id, text, title, document_id, start, self.fields.of_row(batch, offset))

    def __iter__(self) -> Iterator[Passage]:
        row = 0
        for batch, columns in enumerate(self._columns):
            rows = zip(*(column.to_pylist() for column in columns), strict=True)
            for (passage_id, text, title, document_id, start), metadata in zip(
                rows, self.fields.of_batch(batch), strict=True
            ):
                if self._id_rank is None or self._id_rank[row] >= 0:
                    yield Passage(passage_id, text, title, document_id, start, metadata)
                row += 1

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the id and the document's id of each passage that is not deleted, in the order of the rows."""
        row = 0
        for columns in self._columns:
            for names in zip(columns[0].to_pylist(), columns[3].to_pylist(), strict=True):
                if self._id_rank is None or self._id_rank[row] >= 0:
                    yield names
                row += 1

    def get(self, rows: Iterable[int]) -> list[Passage]:
        """Return the passages of some rows, in the order of ``rows``."""
        return [self[row] for row in rows]

    def id(self, row: int) -> str:
        """Return the id of the passage in a row."""
        batch, offset = self._locate(row)
        passage_id: str = self._columns[batch][0][offset].as_py()
        return passage_id

    def column(self, name: str) -> Any:
        """Return a column of the passages file for all rows as an Arrow chunked array, such as ``title``."""
        position = SCHEMA.get_field_index(name)
        return pa.chunked_array([columns[position] for columns in self._columns], SCHEMA.field(position).type)

    def row_of(self, passage_id: str) -> int | None:
        """Return the row of a passage by its id; None if no passage has this id."""
        if self._order is None:
            self._order = self._sort() if self._id_rank is None else _rows_by_rank(self._id_rank)
        position = bisect_left(self._order, passage_id, key=self.id)
        if position == len(self._order):
            return None
        row = int(self._order[position])
        return row if self.id(row) == passage_id else None

    def rows_of(self, names: Collection[str]) -> IntArray:
        """Return the rows of the passages, not deleted, whose id or whose document's id is in ``names``."""
        ids = pa.array(sorted(names), pa.large_string())
        matches = [
            compute.or_(compute.is_in(columns[0], ids), compute.is_in(columns[3], ids)).to_numpy(zero_copy_only=False)
            for columns in self._columns
        ]
        is_named = np.concatenate(matches) if matches else np.zeros(0, dtype=bool)
        alive = self.alive.astype(np.int64)
        rows: IntArray = alive[is_named[alive]]
        return rows

    def without(self, rows: Iterable[int]) -> PassageStore:
        """Return a store in which the passages of these rows are deleted, too."""
        ranks = self.rank_ids() if self._id_rank is None else self._id_rank
        is_deleted = np.zeros(self.row_count, dtype=bool)
        is_deleted[list(rows)] = True
        order = _rows_by_rank(ranks)
        remaining = order[~is_deleted[order]]
        id_rank = np.full(self.row_count, -1, dtype=np.int32)
        id_rank[remaining] = np.arange(len(remaining), dtype=np.int32)
        return PassageStore(self._batches, id_rank, self._metadata)

    def text_lengths(self) -> Int32Array:
        """Return the number of characters of each row's text, (P,)."""
        lengths = [compute.utf8_length(columns[1]).to_numpy(zero_copy_only=False) for columns in self._columns]
        return np.concatenate(lengths).astype(np.int32) if lengths else np.zeros(0, dtype=np.int32)

    def first_alike(self) -> IntArray:
        """Return the first row whose passage has the same title and the same text, for each row, (P,)."""
        contents = (
            content
            for columns in self._columns
            for content in zip(columns[2].to_pylist(), columns[1].to_pylist(), strict=True)
        )
        return first_alike(contents, self.row_count)

    def beginnings(self) -> IntArray:
        """Return every row: each passage is one text, (P,)."""
        return np.arange(self.row_count, dtype=np.int64)

    def rank_ids(self, is_deleted: BoolArray | None = None) -> Int32Array:
        """Return the rank of each row's id among all ids in code-point order, (P,) int32, from 0.

        A deleted passage has the rank -1, and its id is not counted.
        """
        order = self._sort()
        if is_deleted is not None:
            order = order[~is_deleted[order]]
        ranks = np.full(self.row_count, -1, dtype=np.int32)
        ranks[order] = np.arange(len(order), dtype=np.int32)
        return ranks

    def _sort(self) -> npt.NDArray[np.integer[Any]]:
        # Arrow compares UTF-8 bytes, whose order is that of the code points, which is Python's.
        ids = pa.chunked_array([columns[0] for columns in self._columns], pa.large_string())
        rows: npt.NDArray[np.integer[Any]] = compute.sort_indices(ids).to_numpy()
        return rows

    def _locate(self, row: int) -> tuple[int, int]:
        """Return the batch of a row, and its offset there."""
        if not 0 <= row < self.row_count:
            raise IndexError(f"row {row} is outside of the {self.row_count} passages")
        batch = bisect_right(self._ends, row)
        return batch, row - (self._ends[batch - 1] if batch else 0)


def first_alike(contents: Iterable[tuple[str, str]], count: int) -> IntArray:
    """Return the first row of the same title and text, for each of ``count`` rows of titles and texts."""
    digests = np.empty(count, dtype=f"S{_DIGEST_BYTES}")
    for row, (title, text) in enumerate(contents):
        digests[row] = _digest(title, text)
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    rows: IntArray = first[group].astype(np.int64)
    return rows


def _digest(title: str, text: str) -> bytes:
    """Return a hash of a passage's content; its last byte is not zero, because NumPy drops zeros as padding."""
    content = f"{len(title)} {title}{text}".encode("utf-8", "surrogatepass")
    return blake2b(content, digest_size=_DIGEST_BYTES - 1).digest() + b"."


def _rows_by_rank(id_rank: RankArray) -> RankArray:
    """Return the row of each rank; deleted rows have none."""
    rows = np.flatnonzero(id_rank >= 0)
    order = np.empty(len(rows), dtype=np.int32)
    order[id_rank[rows]] = rows
    return order
