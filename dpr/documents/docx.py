"""Word documents, by python-docx."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dpr.documents.archive import check_archive
from dpr.documents.document import Block, Converted, Value, table_text

if TYPE_CHECKING:
    from datetime import datetime

    from docx.document import Document
    from docx.table import Table
    from docx.text.paragraph import Paragraph

_HEADING_STYLE = re.compile(r"(?:heading|제목|개요) ?([1-9])", re.IGNORECASE)

_NO_OUTLINE = 9
"""What Word writes as the outline level of text."""


def read_docx(path: Path, _encoding: str) -> Converted:
    """Return the headings, paragraphs and tables of a document, and the page that Word last showed them on.

    A heading is a paragraph of an outline level, of a style ``Heading 1`` … or of one that is based on it.

    Raises:
        DocumentError: it is encrypted, damaged, or unpacks to too much.
    """
    check_archive(path, "word/document.xml")
    from docx import Document

    document = Document(str(path))
    properties = document.core_properties
    return Converted(tuple(_blocks(document)), properties.title, document_fields(properties.author, properties.created))


def document_fields(author: str, created: datetime | None) -> dict[str, Value]:
    """Return the fields of an office file's properties; a template's placeholder for an author is none."""
    fields: dict[str, Value] = {}
    if author and author not in ("python-docx", "Steve Canny"):
        fields["author"] = author
    if created is not None:
        fields["created"] = created.date().isoformat()
    return fields


def _blocks(document: Document) -> Iterator[Block]:
    from docx.text.paragraph import Paragraph

    has_pages = bool(document.element.body.xpath(".//w:lastRenderedPageBreak"))
    page = 1
    for item in document.iter_inner_content():
        first_page = page if has_pages else None
        if not isinstance(item, Paragraph):
            page += len(item._element.xpath(".//w:lastRenderedPageBreak"))  # noqa: SLF001  # has no public name
            yield Block(table_text(_rows(item)), "table", page=first_page)
            continue
        breaks = item.rendered_page_breaks
        if breaks and has_pages and breaks[0].preceding_paragraph_fragment is None:
            first_page = page + 1
        page += len(breaks)
        level = _level(item)
        yield Block(item.text, "heading" if level else "text", level, first_page)


def _level(paragraph: Paragraph) -> int:
    """Return the level of a heading, below that of a title, which is 1; 0 for a paragraph of text."""
    outline = paragraph._element.xpath("./w:pPr/w:outlineLvl/@w:val")  # noqa: SLF001  # has no public name
    style = paragraph.style
    while style is not None and not outline:
        if style.name == "Title":
            return 1
        if style.name and (match := _HEADING_STYLE.fullmatch(style.name)):
            return int(match[1]) + 1
        outline = style.element.xpath("./w:pPr/w:outlineLvl/@w:val")
        style = style.base_style
    return int(outline[0]) + 2 if outline and int(outline[0]) < _NO_OUTLINE else 0


def _rows(table: Table) -> Iterator[list[str]]:
    for row in table.rows:
        yield [cell.text for cell in row.cells]
