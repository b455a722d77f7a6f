"""Plain text: paragraphs between blank lines, pages between form feeds."""

from __future__ import annotations

import re
from pathlib import Path

from dpr.documents.document import Block, Converted
from dpr.documents.text_files import read_text

_BLANK_LINES = re.compile(r"\n[^\S\n\f]*\n\s*")


def read_plain(path: Path, encoding: str) -> Converted:
    """Return the paragraphs of a text file; its pages if it has form feeds.

    Raises:
        DocumentError: it is no text, or in another encoding.
    """
    pages = re.sub(r"\r\n?", "\n", read_text(path, encoding)).split("\f")
    blocks = [
        Block(paragraph, page=number if len(pages) > 1 else None)
        for number, page in enumerate(pages, start=1)
        for paragraph in _BLANK_LINES.split(page)
    ]
    return Converted(tuple(blocks))
