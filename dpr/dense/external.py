"""Indexes that a database holds: a segment has a small file in their place, which names the table.

The name is drawn at random and written down before the table is made. So two indexes never share a table, a build that
was stopped finds its own again, and what no file names may be removed.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from dpr.durable import write_atomically
from dpr.errors import IndexFormatError

LARGEST_RECORD = 1024
"""Bytes; other files of an index are larger, or begin with something else."""


@dataclass(frozen=True, slots=True)
class ExternalRecord:
    """The file of an index in a database.

    Attributes:
        kind: the index type.
        table: the name of the table.
        longest: the greatest length of the vectors, if the table does not tell it.
    """

    kind: str
    table: str
    longest: float | None = None


_written: dict[ExternalRecord, Path] = {}


def records_written(root: Path) -> set[ExternalRecord]:
    """Return the records that this process has written below a folder, also those that were removed since."""
    return {record for record, path in _written.items() if path.is_relative_to(root)}


def forget_record(record: ExternalRecord) -> None:
    """Forget a record of this process whose table is dropped."""
    _written.pop(record, None)


def read_record(path: Path) -> ExternalRecord | None:
    """Return the record in a file; None if the file is absent, or is something else."""
    if not path.is_file() or path.stat().st_size > LARGEST_RECORD:
        return None
    try:
        document = json.loads(path.read_bytes())
        longest = document.get("longest")
        return ExternalRecord(
            str(document["kind"]), str(document["table"]), None if longest is None else float(longest)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def existing_record(path: Path) -> ExternalRecord:
    """Return the record in a file.

    Raises:
        IndexFormatError: there is none.
    """
    record = read_record(path)
    if record is None:
        raise IndexFormatError(f"{path} does not name a table of a database; build the index again")
    return record


def recorded_name(path: Path, kind: str, segment: str, longest: float | None = None) -> str:
    """Return the name of the table of a segment's index, after writing it down if the file is absent."""
    record = read_record(path)
    if record is None:
        record = ExternalRecord(kind, f"dpr_{segment.replace('-', '_')}_{secrets.token_hex(4)}", longest)
        document = {name: value for name, value in asdict(record).items() if value is not None}
        write_atomically(path, json.dumps(document) + "\n")
        _written[record] = path
    return record.table
