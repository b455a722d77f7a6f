"""Hashes of documents and rows, which tell whether one has changed."""

from __future__ import annotations

import stat
from hashlib import blake2b
from pathlib import Path

import orjson

from dpr.metadata import json_metadata
from dpr.types import Passage
from dpr.unicode_form import composed

_DIGEST_BYTES = 16
_READ_BYTES = 1 << 20


def file_digest(path: Path) -> str:
    """Return the hash of a file's content; empty for one that cannot be read, and for a pipe or a device."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return ""
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def row_digest(row: Passage) -> str:
    """Return the hash of a row as it was read: its texts, its place in a document and its fields."""
    fields = {name: str(value) for name, value in json_metadata(row.metadata).items()}
    values = [row.id, composed(row.title), composed(row.text), row.document_id, row.start, fields]
    return blake2b(orjson.dumps(values, option=orjson.OPT_SORT_KEYS), digest_size=_DIGEST_BYTES).hexdigest()
