"""Word documents, by python-docx."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpr.documents.archive import check_archive
from dpr.documents.document import Block, Converted, Value, table_text

if TYPE_CHECKING:
    from datetime import datetime

    from docx.document import Document
    from docx.text.paragraph import Paragraph

_HEADING_STYLE = re.compile(r"(?:heading|제목|개요) ?([1-9])", re.IGNORECASE)

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TABLE, _TEXT, _TEXT_BOX, _PAGE_BREAK = (f"{_W}{name}" for name in ("tbl", "t", "txbxContent", "lastRenderedPageBreak"))
_SIGNS = {f"{_W}{name}": sign for name, sign in {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n"}.items()} | {
    f"{_W}noBreakHyphen": "-"
}
_NOT_SHOWN = frozenset(
    (
        *(f"{_W}{name}" for name in ("del", "moveFrom", "pPr", "rPr", "sectPr")),
        "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
    )
)
"""What a page does not show: what was deleted or moved away, properties, and what old programs read instead."""

_NO_OUTLINE = 9
"""What Word writes as the outline level of text."""


def read_docx(path: Path, _encoding: str) -> Converted:
    """Return the headings, paragraphs, text boxes and tables of a document, and the page that Word last showed them on.

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


@dataclass(slots=True)
class _Text:
    """The text of a paragraph, how often Word began a page in it, and the text boxes that are anchored in it."""

    text: str = ""
    breaks: int = 0
    begins_on_next_page: bool = False
    boxes: list[Any] = field(default_factory=list)


def _blocks(document: Document) -> Iterator[Block]:
    from docx.text.paragraph import Paragraph

    has_pages = bool(document.element.body.xpath(".//w:lastRenderedPageBreak"))
    page = 1

    def blocks_in(container: Any) -> Iterator[Block]:
        """Yield the blocks of the body, or of a text box in it."""
        nonlocal page
        for item in _inside(container, ("p", "tbl")):
            if item.tag == _TABLE:
                first_page = page if has_pages else None
                page += len(item.xpath(".//w:lastRenderedPageBreak"))
                yield Block(table_text(_rows(item)), "table", page=first_page)
                continue
            paragraph = _text_of(item)
            first_page = page + paragraph.begins_on_next_page if has_pages else None
            page += paragraph.breaks
            level = _level(Paragraph(item, document))
            yield Block(paragraph.text, "heading" if level else "text", level, first_page)
            for box in paragraph.boxes:
                yield from blocks_in(box)

    yield from blocks_in(document.element.body)


def _inside(container: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield the elements of these names in an element, also those in content controls and tracked insertions."""
    tags = [f"{_W}{name}" for name in names]
    for child in container:
        if child.tag in tags:
            yield child
        elif child.tag not in _NOT_SHOWN:
            yield from _inside(child, names)


def _text_of(paragraph: Any) -> _Text:
    """Return the text that a paragraph shows: with tracked insertions, fields and links, without what was deleted."""
    result = _Text()
    texts: list[str] = []

    def walk(element: Any) -> None:
        """Collect the texts of an element in their order."""
        for child in element:
            if child.tag == _TEXT_BOX:
                result.boxes.append(child)
            elif child.tag == _TEXT:
                texts.append(child.text or "")
            elif child.tag == _PAGE_BREAK:
                result.begins_on_next_page = result.begins_on_next_page or not any(map(str.strip, texts))
                result.breaks += 1
            elif child.tag in _SIGNS:
                texts.append("" if child.get(f"{_W}type") in ("page", "column") else _SIGNS[child.tag])
            elif child.tag not in _NOT_SHOWN:
                walk(child)

    walk(paragraph)
    result.text = "".join(texts)
    return result


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


def _rows(table: Any) -> Iterator[list[str]]:
    """Yield the cells of each row; one that is merged with that above has its text."""
    above: dict[int, str] = {}
    for row in _inside(table, ("tr",)):
        if row.xpath("./w:trPr/w:del"):
            continue
        column, cells = _number(row, "./w:trPr/w:gridBefore/@w:val", 0), []
        for cell in _inside(row, ("tc",)):
            merges = cell.xpath("./w:tcPr/w:vMerge")
            if not merges or merges[0].get(f"{_W}val") == "restart":
                above[column] = _cell_text(cell)
            cells.append(above.get(column, ""))
            column += _number(cell, "./w:tcPr/w:gridSpan/@w:val", 1)
        yield cells


def _cell_text(cell: Any) -> str:
    """Return the text of a cell; of a table in it, the text of its cells."""
    texts = []
    for item in _inside(cell, ("p", "tbl")):
        if item.tag == _TABLE:
            texts += [text for row in _rows(item) for text in row]
        else:
            paragraph = _text_of(item)
            texts += [paragraph.text, *map(_cell_text, paragraph.boxes)]
    return " ".join(texts)


def _number(element: Any, path: str, default: int) -> int:
    values = element.xpath(path)
    return int(values[0]) if values and values[0].isdecimal() else default
