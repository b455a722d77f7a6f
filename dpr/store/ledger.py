"""The ledger of a segment: the hash of each document that was cut into its passages, or could not be read.

`dpr-index sync` compares it with the documents as they are now. A text that is a passage as it is needs no entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dpr.errors import IndexFormatError

_SCHEMA = pa.schema([("id", pa.large_string()), ("digest", pa.string()), ("passages", pa.int64())])


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The hash of a document's content, and the number of its passages: 0 for one that could not be read."""

    digest: str
    passages: int


def write_ledger(path: Path, entries: Mapping[str, LedgerEntry]) -> None:
    """Write entries by the ids of documents to an Arrow file; no file without entries."""
    if not entries:
        return
    columns = [
        list(entries),
        [entry.digest for entry in entries.values()],
        [entry.passages for entry in entries.values()],
    ]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))


def read_ledgers(paths: Iterable[Path]) -> dict[str, LedgerEntry]:
    """Return the entries of segments in their order, the last one of each document; a segment may have no file.

    Raises:
        IndexFormatError: a file is damaged.
    """
    entries: dict[str, LedgerEntry] = {}
    for path in paths:
        if not path.exists():
            continue
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            names, digests, counts = (table.column(name).to_pylist() for name in _SCHEMA.names)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise IndexFormatError(f"{path} cannot be read ({error}); rebuild with dpr-index build") from error
        entries |= {
            name: LedgerEntry(digest, count) for name, digest, count in zip(names, digests, counts, strict=True)
        }
    return entries
