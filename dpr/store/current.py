"""CURRENT: the name of the published generation and its checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dpr.durable import write_atomically
from dpr.errors import IndexFormatError
from dpr.store.layout import IndexLayout, generation_name, is_generation_name


def write_current(layout: IndexLayout, number: int) -> None:
    """Publish a generation that is on the disk, by one atomic write."""
    name = generation_name(number)
    write_atomically(layout.current, f"{name} {_checksum(name)}\n")


def current_number(root: Path) -> int:
    """Return the number of the published generation of an index.

    Raises:
        IndexFormatError: there is none, or the file does not name one.
    """
    current = IndexLayout(root).current
    try:
        text = current.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        command = "dpr-index build --corpus SOURCE --output"
        if root.exists():
            cause = "holds no published index" if root.is_dir() else "is a file"
            sentence = f"{root} {cause}; give the folder of an index, or build one with {command} INDEX"
        else:
            sentence = f"{root} does not exist; build an index there with {command} {root}"
        raise IndexFormatError(sentence) from None
    except UnicodeDecodeError:
        text = "something that is not text"
    name, _, checksum = text.partition(" ")
    if not is_generation_name(name) or checksum not in (
        "",
        _checksum(name),
    ):  # "": written by a version without checksums
        raise IndexFormatError(f"{current} contains {text!r}, which is no generation; rebuild with dpr-index build")
    return int(name)


def _checksum(name: str) -> str:
    """Return the checksum of a generation's name: with it, a flipped bit cannot name another generation."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]
