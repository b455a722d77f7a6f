"""PowerPoint presentations, by python-pptx."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpr.documents.archive import check_archive
from dpr.documents.document import Block, Converted, table_text
from dpr.documents.docx import document_fields

if TYPE_CHECKING:
    from pptx.slide import Slide


def read_pptx(path: Path, _encoding: str) -> Converted:
    """Return the titles, texts, tables and notes of the slides; a page is a slide, and its title a heading.

    Raises:
        DocumentError: it is encrypted, damaged, or unpacks to too much.
    """
    check_archive(path, "ppt/presentation.xml")
    from pptx import Presentation

    presentation = Presentation(str(path))
    properties = presentation.core_properties
    blocks = (block for number, slide in enumerate(presentation.slides, start=1) for block in _blocks(slide, number))
    fields = document_fields(properties.author, properties.created)
    title = properties.title if properties.title != "PowerPoint Presentation" else ""
    return Converted(tuple(blocks), title, fields)


def _blocks(slide: Slide, number: int) -> Iterator[Block]:
    title = slide.shapes.title
    if title is not None:
        yield Block(title.text_frame.text.replace("\v", " "), "heading", 1, number)
    for shape in _in_reading_order(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if shape.has_text_frame:
            yield Block(shape.text_frame.text.replace("\v", "\n"), page=number)
        elif getattr(shape, "has_table", False):
            rows = ([cell.text for cell in row.cells] for row in shape.table.rows)
            yield Block(table_text(rows), "table", page=number)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
        yield Block(notes.text, page=number)


def _in_reading_order(shapes: Iterable[Any]) -> list[Any]:
    """Return shapes, and those of groups, from top to bottom; of python-pptx, which has no types for them."""
    flat = []
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        flat += _in_reading_order(shape.shapes) if hasattr(shape, "shapes") else [shape]
    return flat
