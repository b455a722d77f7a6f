"""The one Unicode form of ids, titles, settings and names of files."""

from __future__ import annotations

import os
import unicodedata
from contextlib import suppress
from pathlib import Path


def composed(text: str) -> str:
    """Return a text in NFC, in which names are stored and compared: file systems and tools write other forms."""
    return unicodedata.normalize("NFC", text)


def is_composed(text: str) -> bool:
    """Return whether a text is in NFC."""
    return unicodedata.is_normalized("NFC", text)


def is_text(text: str) -> bool:
    """Return whether a text can be written as UTF-8: halves of surrogate pairs cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def name_of_file(name: str) -> str:
    r"""Return the name of a file, or its path, as a text in NFC.

    Names of bytes that are not UTF-8, which unpacking a ZIP file of Korean Windows leaves, are read as cp949; what is
    not that either has ``\xNN`` in place of a byte.
    """
    if is_text(name):
        return composed(name)
    return composed("/".join(map(_decoded_name, name.split("/"))))


def _decoded_name(name: str) -> str:
    raw = os.fsencode(name)
    for encoding in ("utf-8", "cp949"):
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    return raw.decode("utf-8", "backslashreplace")


def is_there(path: Path) -> bool:
    """Return whether there is a file or a folder of this name; a name that no disk could hold is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def as_on_disk(path: Path) -> Path:
    """Return a path as the disk writes it: a name in another Unicode form (macOS decomposes names) is the same name."""
    if str(path).isascii() or is_there(path):
        return path
    folder = as_on_disk(path.parent)
    if not folder.is_dir() or not os.access(folder, os.R_OK):
        return path
    name = composed(path.name)
    same = (entry for entry in folder.iterdir() if composed(entry.name) == name)
    return next(same, folder / path.name)
