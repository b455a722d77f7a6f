"""What the index types in a database share: the file that names a table, and the comparison of its vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from dpr.dense.external import existing_record
from dpr.dense.index_type import IndexType, SegmentContent
from dpr.errors import ConfigError, IndexFormatError
from dpr.types import FloatArray

RECORD_BYTES = 64
"""Bytes of the file that names a table."""

COMPARED_AT_A_TIME = 4096


class StoredTable(Protocol):
    """A table that is loaded."""

    def stored(self, start: int, end: int) -> FloatArray:
        """Return its vectors from number ``start`` to before ``end``, in their order, (n, D)."""


@dataclass(frozen=True)
class ExternalIndexType(IndexType):
    """An index type whose segments have a table in a database."""

    is_external = True

    noun: ClassVar[str] = "table"
    """What the database calls a table."""

    engine: ClassVar[str]
    """What searches in the database, in messages."""

    bounds: ClassVar[Mapping[str, int]] = {}
    """Most of each parameter that it takes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in self.bounds.items():
            if getattr(self, name) > most:
                raise ConfigError(f"{name} is {getattr(self, name)}, but {self.engine} takes at most {most}")

    def build(self, vectors: FloatArray, path: Path) -> None:
        """Load a table with vectors alone, and name it in a file."""
        self.build_segment(SegmentContent(vectors), path)

    @abstractmethod
    def table(self, vectors: FloatArray, path: Path) -> StoredTable:
        """Return the table that a file names, which has all of the vectors.

        Raises:
            IndexFormatError: there is no such table, or it has other vectors.
            StoreError: the database cannot be reached, or refuses.
        """

    def check(self, vectors: FloatArray, path: Path) -> str:
        """Compare every vector of the table with the file."""
        name, table = existing_record(path).table, self.table(vectors, path)
        for start in range(0, len(vectors), COMPARED_AT_A_TIME):
            expected = np.asarray(vectors[start : start + COMPARED_AT_A_TIME])
            if not np.array_equal(table.stored(start, start + len(expected)), expected):
                raise IndexFormatError(
                    f"the {self.noun} {name} has other vectors than the index, from row {start} on; drop it, and load "
                    "it again with dpr-index load"
                )
        return f"{len(vectors):,} vectors of {name}"

    def disk_bytes(self, vectors: int, dimension: int) -> float:  # noqa: ARG002
        """Return the size of the file that names the table."""
        return RECORD_BYTES


def check_stored_shape(stored: tuple[int, int], vectors: FloatArray, name: str, noun: str) -> None:
    """Refuse a table whose number of vectors or dimension is not that of the vectors file.

    Raises:
        IndexFormatError: it is another one.
    """
    if stored != vectors.shape:
        raise IndexFormatError(
            f"the {noun} {name} has {stored[0]} vectors of {stored[1]} numbers, but the index has "
            f"{vectors.shape[0]} of {vectors.shape[1]}; build the index again"
        )


def absent_table(name: str, noun: str) -> IndexFormatError:
    """Return the error of a table that the database does not have, or not to its end."""
    return IndexFormatError(
        f"the database has no {noun} {name}, or only a part of it; name the database that the index was loaded into, "
        "or load it with dpr-index load"
    )


def other_rows(name: str, noun: str) -> IndexFormatError:
    """Return the error of a table that has fewer rows than the index."""
    return IndexFormatError(
        f"the {noun} {name} has other rows than the index; compare them with dpr-index verify, and build the "
        "index again"
    )


def longest_vector(vectors: FloatArray) -> float:
    """Return the greatest length of vectors (V, D), summed in float64; 0 without any."""
    at_a_time = 8192
    lengths = (
        float(np.linalg.norm(vectors[start : start + at_a_time].astype(np.float64), axis=1).max())
        for start in range(0, len(vectors), at_a_time)
    )
    return max(lengths, default=0.0)


def sum_error(question: FloatArray, longest: float) -> float:
    """Return how far sums of float32 products may be from the exact ones (Higham 2002, section 3.1), doubled.

    ``longest`` is the greatest length of the vectors that the question (D,) is compared with.
    """
    return 2 * len(question) * 2.0**-24 * float(np.linalg.norm(question)) * longest
