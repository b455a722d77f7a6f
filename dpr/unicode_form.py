"""The one Unicode form of ids, titles, settings and names of files."""

from __future__ import annotations

import unicodedata


def composed(text: str) -> str:
    """Return a text in NFC, in which names are stored and compared: file systems and tools write other forms."""
    return unicodedata.normalize("NFC", text)


def is_composed(text: str) -> bool:
    """Tell whether a text is in NFC."""
    return unicodedata.is_normalized("NFC", text)
