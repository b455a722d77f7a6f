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
    """A sentence and its translation; ``id`` is their location, such as ``docs.tsv:12``."""

    id: str
    source: str
    target: str


def read_parallel(path: Path, rules: ReadRules = UTF8_RULES) -> Iterator[SentencePair]:
    """Yield the pairs of a file of two columns, as a stream.

    A first line with the names ``source`` and ``target``, in either order, is a header; without one the first column is
    the source.

    Raises:
        DataError: the ending is unknown; a row does not have two columns, or has an empty one.
    """
    with open_binary(path):  # raises first if it does not exist or is a folder
        pass
    if not path.name.lower().endswith(PARALLEL_ENDINGS):
        raise DataError.at(
            path, None, f"has no ending of a file of parallel sentences; use {' or '.join(PARALLEL_ENDINGS)}"
        )
    bad_rows = BadRows(rules.skip_bad_rows)
    intake = Intake(rules.encoding, bad_rows.add)
    yield from intake.sift(_pair, read_tsv(path, _HEADER, intake))
    bad_rows.refuse()
    bad_rows.log(logger)


def _pair(row: Record) -> SentencePair:
    identity = f"{row.location.path.name}:{row.location.number}"
    return SentencePair(identity, row.text("source").strip(), row.text("target").strip())
