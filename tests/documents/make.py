"""Write the documents of `content` in every format that can be indexed: ``python -m tests.documents.make FOLDER``."""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.documents.content import TEXTS, Text

Writer = Callable[[Text, Path], None]


def write_text(text: Text, path: Path) -> None:
    lines = [text.title, ""]
    for section in text.sections:
        lines += [section.heading, "", *section.paragraphs, *(", ".join(row) for row in section.rows), ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_cp949(text: Text, path: Path) -> None:
    write_text(text, path)
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp949"))


def write_markdown(text: Text, path: Path) -> None:
    path.write_text(markdown_of(text), encoding="utf-8")


def markdown_of(text: Text) -> str:
    lines = ["---", f"title: {text.title}", "---", "", f"# {text.title}", ""]
    for section in text.sections:
        lines += [f"## {section.heading}", "", "\n\n".join(section.paragraphs), ""]
        for index, row in enumerate(section.rows):
            lines.append(f"| {' | '.join(row)} |")
            if index == 0:
                lines.append("|" + "---|" * len(row))
        lines.append("")
    return "\n".join(lines)


def write_html(text: Text, path: Path) -> None:
    path.write_text(html_of(text), encoding="utf-8")


def html_of(text: Text) -> str:
    parts = [f"<!DOCTYPE html><html><head><meta charset=utf-8><title>{html.escape(text.title)}</title></head><body>"]
    parts.append(f"<nav><a href=/>Home</a></nav><main><h1>{html.escape(text.title)}</h1>")
    for section in text.sections:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in section.paragraphs]
        if section.rows:
            rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in section.rows)
            parts.append("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>")
    return "\n".join([*parts, "</main><footer>About us</footer></body></html>"])


@cache
def _hangul_font() -> str:
    """Return reportlab's name of NanumGothic (SIL Open Font License), which koreanize-matplotlib brings."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    package = find_spec("koreanize_matplotlib")
    assert package is not None
    assert package.origin is not None
    pdfmetrics.registerFont(TTFont("NanumGothic", Path(package.origin).parent / "fonts" / "NanumGothic.ttf"))
    return "NanumGothic"


def write_pdf(text: Text, path: Path, **options: Any) -> None:
    """Write a page for each section, the first one with the title; only the glyphs that are used are embedded."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

    font = _hangul_font()
    title = ParagraphStyle("title", fontName=font, fontSize=20, leading=28)
    heading = ParagraphStyle("heading", fontName=font, fontSize=15, leading=22)
    body = ParagraphStyle("body", fontName=font, fontSize=10, leading=15)
    flow: list[Any] = [Paragraph(text.title, title)]
    for index, section in enumerate(text.sections):
        if index:
            flow.append(PageBreak())
        flow.append(Paragraph(section.heading, heading))
        flow += [item for paragraph in section.paragraphs for item in (Paragraph(paragraph, body), Spacer(1, 8))]
        if section.rows:
            flow.append(Table([list(row) for row in section.rows], style=[("FONTNAME", (0, 0), (-1, -1), font)]))
    SimpleDocTemplate(str(path), title=text.title, author="Test House", invariant=1, **options).build(flow)


def write_docx(text: Text, path: Path) -> None:
    from docx import Document

    document = Document()
    document.core_properties.title = text.title
    document.add_heading(text.title, 0)
    for section in text.sections:
        document.add_heading(section.heading, 1)
        for paragraph in section.paragraphs:
            document.add_paragraph(paragraph)
        if section.rows:
            table = document.add_table(len(section.rows), len(section.rows[0]))
            for row, cells in zip(table.rows, section.rows, strict=True):
                for cell, value in zip(row.cells, cells, strict=True):
                    cell.text = value
    document.save(str(path))


def write_pptx(text: Text, path: Path) -> None:
    """Write a slide for each section."""
    from pptx import Presentation
    from pptx.util import Inches

    presentation = Presentation()
    presentation.core_properties.title = text.title
    for section in text.sections:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = section.heading
        slide.placeholders[1].text = "\n".join(section.paragraphs)
        if section.rows:
            shape = (len(section.rows), len(section.rows[0]))
            table = slide.shapes.add_table(*shape, Inches(1), Inches(5), Inches(6), Inches(1)).table
            for row, cells in enumerate(section.rows):
                for column, value in enumerate(cells):
                    table.cell(row, column).text = value
    presentation.save(str(path))


def write_hwpx(text: Text, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from hwpx import HwpxDocument

        document = HwpxDocument.new()
        document.add_paragraph(text.title, style="바탕글")
        for section in text.sections:
            document.add_heading(section.heading, level=1)
            for paragraph in section.paragraphs:
                document.add_paragraph(paragraph, style="바탕글")
            if section.rows:
                table = document.add_table(len(section.rows), len(section.rows[0]))
                for row, cells in enumerate(section.rows):
                    for column, value in enumerate(cells):
                        table.set_cell_text(row, column, value)
        document.save_to_path(path)


def _rows(text: Text) -> Iterator[tuple[str, str, str]]:
    """Yield the id, the title and the text of a row for each section."""
    for number, section in enumerate(text.sections, start=1):
        lines = [*section.paragraphs, *(", ".join(row) for row in section.rows)]
        yield f"{text.name}-{number}", f"{text.title}: {section.heading}", " ".join(lines)


def write_csv(text: Text, path: Path) -> None:
    path.write_text(_table(text, ","), encoding="utf-8")


def write_tsv(text: Text, path: Path) -> None:
    path.write_text(_table(text, "\t"), encoding="utf-8")


def _table(text: Text, delimiter: str) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([("id", "title", "text"), *_rows(text)])
    return file.getvalue()


def write_jsonl(text: Text, path: Path) -> None:
    rows = [dict(zip(("id", "title", "text"), row, strict=True)) for row in _rows(text)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_parquet(text: Text, path: Path) -> None:
    columns = zip(*_rows(text), strict=True)
    pq.write_table(pa.table(dict(zip(("id", "title", "text"), map(list, columns), strict=True))), path)


def write_gzip(text: Text, path: Path) -> None:
    path.write_bytes(gzip.compress(html_of(text).encode(), mtime=0))


def write_zstd(text: Text, path: Path) -> None:
    path.write_bytes(pa.Codec("zstd").compress(markdown_of(text).encode(), asbytes=True))


WRITERS: dict[str, Writer] = {
    ".pdf": write_pdf,
    ".docx": write_docx,
    ".pptx": write_pptx,
    ".hwpx": write_hwpx,
    ".md": write_markdown,
    ".html": write_html,
    ".txt": write_text,
    ".csv": write_csv,
    ".tsv": write_tsv,
    ".jsonl": write_jsonl,
    ".parquet": write_parquet,
    ".html.gz": write_gzip,
    ".md.zst": write_zstd,
}

WITH_SECTIONS = (".pdf", ".docx", ".pptx", ".hwpx", ".md", ".html", ".html.gz", ".md.zst")
WITH_PAGES = (".pdf", ".pptx")


def ending_of(index: int) -> str:
    """Return the format of a text: all in turn, so that each has Korean and English ones."""
    return list(WRITERS)[(index // 2 + index % 2 * 6) % len(WRITERS)]


def name_of(index: int) -> str:
    """Return the path of a text below the folder; every third one is one folder deeper."""
    text = TEXTS[index]
    folder = "한국어" if text.title[0] > "\x7f" else "english"
    deeper = "보관/" if index % 3 == 0 else ""
    return f"{folder}/{deeper}{text.name}{ending_of(index)}"


def make_documents(folder: Path) -> None:
    """Write all texts into a folder and folders in it."""
    for index, text in enumerate(TEXTS):
        path = folder / name_of(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[ending_of(index)](text, path)


if __name__ == "__main__":
    make_documents(Path(sys.argv[1]))
