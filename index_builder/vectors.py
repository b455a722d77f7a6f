"""Precomputed vectors, read from a file instead of encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dpr.errors import DataError
from dpr.measured import EncodedPassages
from dpr.store.windows import EncodedTexts
from dpr.types import Encoder, FloatArray, IntArray, Progress, no_progress
from index_builder.recall import spread

PROBES = 8
"""Passages that are encoded to check that the vectors are the encoder's."""

LEAST_COSINE = 0.99
LENGTH_TOLERANCE = 0.02

_READ_AT_A_TIME = 4096

Blocks = Callable[[], Iterator[tuple[int, FloatArray]]]
"""Returns an iterator over blocks of vectors, each with the row of its first vector."""


class PrecomputedVectors:
    """A file of vectors, one for each passage in their order; an ``EncodeRunner``.

    A ``.npy`` file of an array (P, D), or ``FILE.parquet:COLUMN``, a column of lists of D numbers. It is read as a
    stream.
    """

    def __init__(self, source: str) -> None:
        """Open a file, without reading its vectors.

        Raises:
            DataError: the file does not exist, or holds no such vectors.
        """
        name, _, column = source.rpartition(":") if ".parquet:" in source else (source, "", "")
        self.path = Path(name)
        self._shape: tuple[int, ...]
        try:
            if column:
                self._shape, self._blocks = _open_parquet(self.path, column)
            else:
                array = np.load(self.path, mmap_mode="r", allow_pickle=False)
                self._shape, self._blocks = array.shape, _blocks_of(array)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise DataError.at(self.path, None, f"cannot be read as vectors ({error})") from error
        if len(self._shape) != 2:
            raise DataError.at(self.path, None, f"has an array of shape {self._shape}; vectors are rows of a matrix")

    def __call__(
        self, passages: EncodedTexts, shards: Sequence[IntArray], encoder: Encoder, progress: Progress = no_progress
    ) -> Iterator[tuple[int, EncodedPassages]]:
        """Yield the number of each shard and the vectors of its rows, without which passages were cut.

        Raises:
            DataError: the number of vectors is not that of the passages, or they are not the encoder's.
        """
        expected = (len(passages), encoder.dimension)
        if self._shape != expected:
            raise DataError.at(
                self.path,
                None,
                f"has {self._shape[0]} vectors of {self._shape[1]} numbers, but there are {expected[0]} passages and "
                f"{encoder.name} has {expected[1]}; give one vector for each passage that is indexed, in their order",
            )
        probes = np.array(spread(len(passages), PROBES))
        self._check(self._rows(self._blocks(), [probes]), passages, probes, encoder)
        total, count = sum(map(len, shards)), 0
        for number, vectors in enumerate(self._rows(self._blocks(), shards)):
            yield number, EncodedPassages(vectors, None)
            count += len(vectors)
            progress("encode", count, total)

    @staticmethod
    def _rows(blocks: Iterator[tuple[int, FloatArray]], row_sets: Sequence[IntArray]) -> Iterator[FloatArray]:
        """Yield the vectors of sets of ascending rows, from blocks that begin at given rows."""
        first, block = next(blocks)
        for rows in row_sets:
            pieces = []
            while len(rows):
                in_block = rows[rows < first + len(block)]
                pieces.append(block[in_block - first])
                rows = rows[len(in_block) :]
                if len(rows):
                    first, block = next(blocks)
            yield np.concatenate(pieces)

    def _check(self, blocks: Iterator[FloatArray], passages: EncodedTexts, rows: IntArray, encoder: Encoder) -> None:
        stored, ours = (
            next(blocks).astype(np.float64),
            encoder.encode_passages(passages.get(rows.tolist())).astype(np.float64),
        )
        lengths, expected_lengths = np.linalg.norm(stored, axis=1), np.linalg.norm(ours, axis=1)
        cosines = (stored * ours).sum(axis=1) / np.maximum(lengths * expected_lengths, 1e-30)
        for row, cosine, length, expected_length in zip(rows.tolist(), cosines, lengths, expected_lengths, strict=True):
            if not cosine >= LEAST_COSINE:
                cause = f"has a cosine of {cosine:.3f} with the one that {encoder.name} gives for passage"
            elif abs(length / expected_length - 1) > LENGTH_TOLERANCE:
                cause = f"has the length {length:.3f} where {encoder.name} gives {expected_length:.3f} for passage"
            else:
                continue
            raise DataError.at(
                self.path,
                None,
                f"vector {row + 1} {cause} {passages.id(row)!r}; give the vectors of this encoder, in the order of the "
                "passages",
            )


def _blocks_of(array: Any) -> Blocks:
    return lambda: (
        (first, np.asarray(array[first : first + _READ_AT_A_TIME], dtype=np.float32))
        for first in range(0, len(array), _READ_AT_A_TIME)
    )


_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def _open_parquet(path: Path, column: str) -> tuple[tuple[int, int], Blocks]:
    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
        if column not in file.schema_arrow.names:
            raise KeyError(f"no column {column!r}")
        head = next(file.iter_batches(batch_size=1, columns=[column])).column(0)
    width = len(_numbers_of(head))
    return (rows, width), partial(_parquet_blocks, path, column, width)


def _numbers_of(column: pa.Array) -> FloatArray:
    """Return the numbers of a column of lists, or of lists of one list, as an export has them, one after the other."""
    while any(is_list(column.type) for is_list in _LISTS):
        column = column.flatten()
    numbers: FloatArray = column.to_numpy(zero_copy_only=False).astype(np.float32)
    return numbers


def _parquet_blocks(path: Path, column: str, width: int) -> Iterator[tuple[int, FloatArray]]:
    first = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_READ_AT_A_TIME, columns=[column]):
            numbers = _numbers_of(batch.column(0))
            if len(numbers) != width * batch.num_rows:
                raise DataError.at(
                    path, None, f"column {column!r} has lists of other lengths than {width}, or several in a row"
                )
            yield first, numbers.reshape(batch.num_rows, width)
            first += batch.num_rows
