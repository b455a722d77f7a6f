"""Each format: title, headings, pages and tables of a document that another program wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpr.documents.document import Block, Converted, clean_blocks, outline, table_text
from dpr.documents.formats import FORMATS, convert
from dpr.errors import DocumentError
from tests.documents.content import TEXTS
from tests.documents.make import WITH_PAGES, WRITERS, html_of, write_cp949

LEAVE, TRIPS, FERRY = (
    next(text for text in TEXTS if text.name == name) for name in ("휴가규정", "출장여비", "ferry-timetable")
)
STRUCTURED = (".pdf", ".docx", ".pptx", ".hwpx", ".md", ".html")


def converted(path: Path, encoding: str = "utf-8") -> Converted:
    return convert(path, path.suffix, encoding)


@pytest.mark.parametrize("ending", STRUCTURED)
@pytest.mark.parametrize("text", [LEAVE, TRIPS, FERRY], ids=lambda text: text.name)
def test_headings_paragraphs_tables_and_pages(ending: str, text: object, tmp_path: Path) -> None:
    assert isinstance(text, type(LEAVE))
    path = tmp_path / f"{text.name}{ending}"
    WRITERS[ending](text, path)
    document = converted(path)
    assert document.title == ("" if ending == ".hwpx" else text.title)
    whole = outline(document.blocks)
    for page, section in enumerate(text.sections, start=1):
        for paragraph in section.paragraphs:
            start = whole.text.index(paragraph)
            span = next(span for span in whole.spans if span.start <= start < span.end)
            assert span.headings[-1].endswith(section.heading)  # HWPX numbers its headings, as its page shows
            assert span.page == (page if ending in WITH_PAGES else None)
        for row in section.rows:
            assert (" " if ending == ".pdf" else " | ").join(row) in whole.text.splitlines()
    tables = [block for block in document.blocks if block.kind == "table"]
    assert len(tables) == (0 if ending == ".pdf" else 1)


def test_text_has_paragraphs_and_the_pages_of_form_feeds(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("하나\r\n둘\r\n\r\n셋\fFour", encoding="utf-8")
    assert converted(path).blocks == (Block("하나\n둘", page=1), Block("셋", page=1), Block("Four", page=2))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_an_encoding_is_recognized(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("가나다라마바사 abc", encoding=encoding)
    assert converted(path).blocks == (Block("가나다라마바사 abc"),)


def test_utf_16_without_a_mark_is_read_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("plain", encoding="utf-16-le")
    assert converted(path, "utf-16-le").blocks == (Block("plain"),)
    with pytest.raises(DocumentError, match="has NUL characters, so it is no text, or UTF-16"):
        converted(path)


def test_a_whole_document_in_cp949(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_cp949(LEAVE, path)
    assert converted(path).blocks[0].text == LEAVE.title


def test_a_named_encoding_and_none_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Größe und Maß".encode("latin-1"))
    assert converted(path, "latin-1").blocks == (Block("Größe und Maß"),)
    with pytest.raises(DocumentError, match="neither UTF-8 nor Korean in cp949; name its encoding with --encoding"):
        converted(path)


def test_a_page_declares_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(html_of(LEAVE).replace("charset=utf-8", "charset=euc-kr").encode("cp949"))
    assert converted(path).title == LEAVE.title


def test_the_front_matter_of_markdown_gives_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "---\ntitle: 공지\ndate: 2026-03-01\npages: 3\nopen: true\ntags: [인사, 2026]\nnested: {a: 1}\n---\n"
        "본문\n\n- 하나\n- 둘\n",
        encoding="utf-8",
    )
    document = converted(path)
    assert document.title == "공지"
    assert document.fields == {"date": "2026-03-01", "pages": 3, "open": True, "tags": ["인사", "2026"]}
    assert [block.text for block in document.blocks] == ["본문", "하나", "둘"]


def test_front_matter_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("---\ntitle: [a\n---\ntext\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="its front matter is not YAML"):
        converted(path)


@pytest.mark.parametrize("number", ["9" * 20, "9" * 400, "-.inf"])
def test_front_matter_with_a_number_that_no_field_holds(number: str, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"---\nsize: {number}\n---\ntext\n", encoding="utf-8")
    with pytest.raises(DocumentError, match=r"its front matter has 'size': .*; put it in quotation marks"):
        converted(path)
    path.write_text("---\nsize: .nan\n---\ntext\n", encoding="utf-8")
    assert not converted(path).fields


def test_markdown_has_no_marks(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("A *very* [good](http://x) `day`\nindeed.\n\n```\ncode *here*\n```\n", encoding="utf-8")
    assert [block.text for block in converted(path).blocks] == ["A very good day indeed.", "code *here*"]


def test_html_without_navigation_scripts_and_layout_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(
        "<title> A  title </title><meta name=author content=Kim><nav>menu</nav><script>x()</script>"
        "<table><tr><td><h1>Head</h1><p>one<br>two</p></td></tr></table><div>loose <b>bold</b><p>inner</p>end</div>"
        "<pre>a\n  b</pre><aside>ad</aside><p hidden>x",
        encoding="utf-8",
    )
    document = converted(path)
    assert document.title == "A title"
    assert document.fields == {"author": "Kim"}
    assert [block.text for block in document.blocks] == [
        "Head",
        "one\ntwo",
        "loose bold",
        "inner",
        "end",
        "a\n  b",
        "x",
    ]
    assert document.blocks[0].kind == "heading"


def test_merged_cells_are_written_once(tmp_path: Path) -> None:
    from docx import Document

    document = Document()
    table = document.add_table(2, 2)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "넓은 칸"
    table.cell(1, 0).text, table.cell(1, 1).text = "a", "b"
    document.save(str(tmp_path / "a.docx"))
    assert converted(tmp_path / "a.docx").blocks == (Block("넓은 칸\na | b", "table"),)


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx_of(body: str, path: Path) -> Path:
    from docx import Document
    from docx.oxml import parse_xml

    document = Document()
    for element in parse_xml(f"<w:body {W}>{body}</w:body>"):
        document.element.body.insert(len(document.element.body) - 1, element)
    document.save(str(path))
    return path


def test_word_shows_insertions_fields_and_controls_and_not_what_was_deleted(tmp_path: Path) -> None:
    run = '<w:r><w:t xml:space="preserve">{}</w:t></w:r>'
    pieces = (
        ("{}", "한 "),
        ('<w:ins w:id="1" w:author="x">{}</w:ins>', "넣은 "),
        ('<w:del w:id="2" w:author="x">{}</w:del>', "지운 "),
        ('<w:moveFrom w:id="3" w:author="x">{}</w:moveFrom>', "옮긴 "),
        ('<w:moveTo w:id="4" w:author="x">{}</w:moveTo>', "옮겨 온 "),
        ("<w:sdt><w:sdtContent>{}</w:sdtContent></w:sdt>", "컨트롤 "),
        ('<w:fldSimple w:instr="DATE">{}</w:fldSimple>', "필드 "),
        ("<w:hyperlink><w:smartTag>{}</w:smartTag></w:hyperlink>", "링크"),
    )
    content = "".join(wrapper.format(run.format(text)) for wrapper, text in pieces)
    inside = f"<w:sdt><w:sdtContent>{paragraph('안의 문단')}</w:sdtContent></w:sdt>"
    box = f"<w:p><w:r><w:pict><w:txbxContent>{paragraph('글상자')}</w:txbxContent></w:pict></w:r></w:p>"
    path = docx_of(f"<w:p>{content}</w:p>{inside}{box}", tmp_path / "a.docx")
    assert [block.text for block in converted(path).blocks] == [
        "한 넣은 옮겨 온 컨트롤 필드 링크",
        "안의 문단",
        "글상자",
    ]


def test_a_table_in_a_table_and_rows_that_are_merged_or_deleted(tmp_path: Path) -> None:
    def cell(content: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc>"

    inner = f"<w:tbl><w:tr>{cell(paragraph('안 1'))}{cell(paragraph('안 2'))}</w:tr></w:tbl>{paragraph('')}"
    control = f"<w:sdt><w:sdtContent>{cell(paragraph('컨트롤'))}</w:sdtContent></w:sdt>"
    rows = (
        cell(paragraph("부서"), '<w:vMerge w:val="restart"/>') + cell(inner),
        cell(paragraph(""), "<w:vMerge/>") + control,
        f'<w:trPr><w:del w:id="1" w:author="x"/></w:trPr>{cell(paragraph("지운"))}',
    )
    path = docx_of(f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>", tmp_path / "a.docx")
    assert converted(path).blocks == (Block("부서 | 안 1 안 2\n부서 | 컨트롤", "table"),)


def test_a_title_and_fields_have_no_characters_that_no_text_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    odd = Converted((Block("x"),), "T\0\ud800", {"author": "a\0", "tags": ["\ud800"], "n": 3})
    monkeypatch.setattr("dpr.documents.plain.read_plain", lambda *_: odd)
    result = converted(tmp_path / "a.txt")
    assert (result.title, result.fields) == ("T?", {"author": "a", "tags": ["?"], "n": 3})


def test_a_long_heading_is_text_and_characters_of_no_text_are_lost() -> None:
    blocks = (Block("x" * 201, "heading", 1), Block("  "), Block("a\0b\ud800 "))
    assert clean_blocks(blocks) == (Block("x" * 201), Block("ab?"))


def test_sections_are_the_headings_above() -> None:
    blocks = [Block("A", "heading", 1), Block("B", "heading", 3), Block("b"), Block("C", "heading", 2), Block("c")]
    whole = outline(blocks)
    assert [span.headings for span in whole.spans] == [("A",), ("A", "B"), ("A", "B"), ("A", "C"), ("A", "C")]
    assert [whole.text[span.start : span.end] for span in whole.spans] == [block.text for block in blocks]


def test_a_table_is_a_line_for_each_row() -> None:
    assert table_text([["a", "b\nc"], ["", ""], ["d", "d"]]) == "a | b c\nd"


def test_every_format_names_a_reader() -> None:
    assert all(ending == ending.lower() and ending.startswith(".") for ending in FORMATS)


def test_hwp_5() -> None:
    """The file is by hwpers 0.4, which writes headings and cells as paragraphs."""
    converted = convert(Path(__file__).with_name("files") / "leave.hwp", ".hwp", "utf-8")
    texts = [block.text for block in converted.blocks]
    assert texts[:3] == ["휴가 규정", "병가는 한 해에 육십 일까지 쓸 수 있다.", "경조사 휴가"]
    assert texts[3] == "결혼하는 직원은 닷새를 쉰다. Marriage leave is five days."
    assert texts[4:] == ["구분", "일수", "결혼", "5", "출산", "10"]
