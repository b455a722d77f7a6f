"""PDF, by pypdfium2 (the engine PDFium): the lines of each page, as paragraphs and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dpr.documents.document import Converted, Value
from dpr.documents.pdf_lines import Bookmark, Line, blocks_of_pages
from dpr.errors import DocumentError

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_NO_TITLES = re.compile(
    r"\(?(?:unspecified|untitled|anonymous)\)?|microsoft (?:word|powerpoint|excel) - .*|.*\.\w{2,4}", re.IGNORECASE
)
"""What programs write as the title of a document that has none: its file's name, or nothing."""

_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)")


def read_pdf(path: Path, _encoding: str) -> Converted:
    """Return the headings and paragraphs of a PDF with their pages.

    Headings are what the bookmarks name; without bookmarks, the lines in a larger type than most of the text.

    Raises:
        DocumentError: it is encrypted or damaged, or none of its pages has a text, as in a scan.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentError("is encrypted; save it without a password") from None
        raise DocumentError(f"is damaged ({error}); open and save it anew, or fetch it again") from None
    with document:
        pages = [_lines(document, number) for number in range(len(document))]
        if not any(pages):
            count = "its one page is" if len(pages) == 1 else f"its {len(pages):,} pages are"
            raise DocumentError(f"has no text: {count} images, as of a scan; recognize the text first (OCR)")
        empty = sum(not lines for lines in pages)
        notes = (f"{empty:,} of its {len(pages):,} pages have no text, as scans have none",) if empty else ()
        metadata = document.get_metadata_dict()
        title = metadata.get("Title", "").strip()
        blocks = tuple(blocks_of_pages(pages, list(_bookmarks(document))))
        return Converted(blocks, "" if _NO_TITLES.fullmatch(title) else title, _fields(metadata), notes)


def _fields(metadata: dict[str, str]) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    author = metadata.get("Author", "").strip()
    if author and not _NO_TITLES.fullmatch(author):
        fields["author"] = author
    if match := _DATE.match(metadata.get("CreationDate", "")):
        fields["created"] = "-".join(match.groups())
    return fields


def _bookmarks(document: PdfDocument) -> Iterator[Bookmark]:
    for bookmark in document.get_toc():
        destination = bookmark.get_dest()
        page = destination.get_index() if destination else None
        if page is not None:
            yield Bookmark(bookmark.get_title(), page, bookmark.level + 1)


def _lines(document: PdfDocument, number: int) -> list[Line]:
    """Return the lines of a page that are not blank, in the order of the file."""
    import pypdfium2

    try:
        page = document[number]
    except pypdfium2.PdfiumError as error:
        raise DocumentError(f"is damaged: page {number + 1:,} cannot be read ({error}); fetch it again") from None
    try:
        return list(_lines_of(page))
    finally:
        page.close()


def _lines_of(page: PdfPage) -> Iterator[Line]:
    from pypdfium2 import raw

    text_page = page.get_textpage()
    try:
        offset = 0
        first, last = raw.FS_RECTF(), raw.FS_RECTF()
        for text in re.split(r"(\r\n|\n|\r)", text_page.get_text_range()):
            stripped = text.strip()
            if stripped:
                start = offset + text.index(stripped[0])
                for position, box in ((start, first), (start + len(stripped) - 1, last)):
                    character = raw.FPDFText_GetCharIndexFromTextIndex(text_page, position)
                    raw.FPDFText_GetLooseCharBox(text_page, character, box)
                yield Line(text, first.left, last.right, first.top, first.bottom)
            offset += len(text)
    finally:
        text_page.close()
