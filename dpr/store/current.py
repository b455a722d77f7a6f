"""CURRENT: the name of the published generation, and a check of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dpr.durable import write_atomically
from dpr.errors import IndexFormatError
from dpr.store.layout import IndexLayout, generation_name, is_generation_name


def write_current(layout: IndexLayout, number: int) -> None:
    """Publish a generation that is on the disk, in one step."""
    name = generation_name(number)
    write_atomically(layout.current, f"{name} {_check_of(name)}\n")


def current_number(root: Path) -> int:
    """Return the number of the published generation of an index.

    Raises:
        IndexFormatError: there is none, or the file does not name one.
    """
    current = IndexLayout(root).current
    try:
        text = current.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        cause = "holds no published index" if root.is_dir() else "is not there"
        raise IndexFormatError(f"{root} {cause}; build an index there with dpr-index build --output {root}") from None
    except UnicodeDecodeError:
        text = "something that is not text"
    name, _, check = text.partition(" ")
    if not is_generation_name(name) or check not in ("", _check_of(name)):  # "": written before there was one
        raise IndexFormatError(f"{current} names no generation but {text!r}; rebuild with dpr-index build")
    return int(name)


def _check_of(name: str) -> str:
    """Return what stands beside a generation's name, so that a flipped bit does not name another one."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]
