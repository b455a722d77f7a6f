"""Parallel sentences: tab-separated files of a sentence and its translation, one pair a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dpr.data.files import open_binary
from dpr.data.rows import read_tsv
from dpr.errors import DataError

PARALLEL_ENDINGS = (".tsv", ".tsv.gz")
_COLUMNS = ("source", "target")


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A sentence and its translation; ``id`` is where they stand, as ``docs.tsv:12``."""

    id: str
    source: str
    target: str


def read_parallel(path: Path) -> Iterator[SentencePair]:
    """Yield the pairs of a file of two columns, as a stream.

    A first line that names the columns ``source`` and ``target``, in either order, is a header; without one the first
    column is the source.

    Raises:
        DataError: another ending than .tsv or .tsv.gz; a row that has not two columns, or an empty one.
    """
    with open_binary(path):  # that it does not exist, or is a folder, is said first
        pass
    if not path.name.lower().endswith(PARALLEL_ENDINGS):
        raise DataError.at(
            path, None, f"is no file of parallel sentences by its ending; use {' or '.join(PARALLEL_ENDINGS)}"
        )
    for row in read_tsv(path, _is_header, _COLUMNS):
        identity = f"{path.name}:{row.place.number}"
        yield SentencePair(identity, row.text("source").strip(), row.text("target").strip())


def _is_header(cells: Sequence[str]) -> bool:
    return sorted(cells) == sorted(_COLUMNS)
