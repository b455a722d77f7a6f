"""Parallel sentences: tab-separated files of a sentence and its translation, one pair a line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dpr.data.files import open_binary, with_packed
from dpr.data.intake import UTF8_RULES, BadRows, Intake, ReadRules
from dpr.data.record import Record
from dpr.data.table_header import Header
from dpr.data.tables import read_tsv
from dpr.errors import DataError

logger = logging.getLogger(__name__)

PARALLEL_ENDINGS = with_packed((".tsv",))
_COLUMNS = ("source", "target")
_HEADER = Header("source", {name: frozenset((name,)) for name in _COLUMNS}, _COLUMNS, refuses=False)


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A sentence and its translation; ``id`` is where they stand, as ``docs.tsv:12``."""

    id: str
    source: str
    target: str


def read_parallel(path: Path, rules: ReadRules = UTF8_RULES) -> Iterator[SentencePair]:
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
    bad_rows = BadRows(rules.skip_bad_rows)
    intake = Intake(rules.encoding, bad_rows.add)
    yield from intake.sift(_pair, read_tsv(path, _HEADER, intake))
    bad_rows.refuse()
    bad_rows.log(logger)


def _pair(row: Record) -> SentencePair:
    identity = f"{row.place.path.name}:{row.place.number}"
    return SentencePair(identity, row.text("source").strip(), row.text("target").strip())
