"""Documents of Hancom Office, HWPX and HWP 5, by unhwp."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dpr.documents.archive import check_archive
from dpr.documents.document import Block, Converted, Value, table_text
from dpr.errors import DocumentError

_OUTLINE = "Outline"


def read_hwpx(path: Path, _encoding: str) -> Converted:
    """Return the headings, paragraphs and tables of an HWPX document (KS X 6101).

    A heading is a paragraph of an outline level; its number is part of its text, as the page shows it.

    Raises:
        DocumentError: it is encrypted, damaged, or unpacks to too much.
    """
    check_archive(path, "Contents/header.xml")
    return read_hwp(path, _encoding)


def read_hwp(path: Path, _encoding: str) -> Converted:
    """Return what `read_hwpx` does, of an HWP 5 document.

    Raises:
        DocumentError: it is encrypted, damaged, or of an older version.
    """
    import unhwp

    try:
        with unhwp.parse(path) as result:
            document = json.loads(result.json)
    except unhwp.UnhwpError as error:
        protected = {unhwp.ErrorKind.ENCRYPTED, unhwp.ErrorKind.DISTRIBUTION_RESTRICTED}
        if getattr(error, "kind", None) in protected:
            raise DocumentError("is encrypted; save it without a password or a restriction") from None
        raise DocumentError(f"is damaged ({error}); open and save it anew, or fetch it again") from None
    metadata = document["metadata"]
    fields: dict[str, Value] = {"author": metadata["author"]} if metadata["author"] else {}
    blocks = [block for section in document["sections"] for block in _blocks(section["content"])]
    skipped = len(document.get("skipped_sections") or ())
    notes = (f"{skipped} of its sections cannot be read",) if skipped else ()
    return Converted(tuple(blocks), metadata["title"] or "", fields, notes)


def _blocks(content: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    for item in content:
        if (paragraph := item.get("Paragraph")) is not None:
            head = paragraph["style"].get("head") or {}
            level = int(head["level"]) + 1 if head.get("kind") == _OUTLINE else 0
            yield Block(_text(paragraph["content"]), "heading" if level else "text", level)
        elif (table := item.get("Table")) is not None:
            rows = [[_cell_text(cell) for cell in row["cells"]] for row in table["rows"]]
            yield Block(table_text(rows), "table")


def _cell_text(cell: Mapping[str, Any]) -> str:
    return " ".join(_text(paragraph["content"]) for paragraph in cell["content"])


def _text(content: Sequence[Any]) -> str:
    texts = []
    for item in content:
        if item == "LineBreak":
            texts.append("\n")
        elif isinstance(item, Mapping):
            texts += [value["text"] for name, value in item.items() if name in ("Text", "Link") and "text" in value]
    return "".join(texts)
