"""Lines of a page as paragraphs: what continues, what is a heading, what runs along on every page."""

from __future__ import annotations

from collections.abc import Sequence

from dpr.documents.document import Block
from dpr.documents.pdf_lines import Bookmark, Line, blocks_of_pages


def page(*lines: tuple[str, float, float], top: float = 800.0) -> list[Line]:
    """Return lines below each other at 15 points, each with its right edge and its height."""
    made = []
    for text, right, height in lines:
        made.append(Line(text, 50.0, right, top, top - height))
        top -= 1.5 * height
    return made


def texts(pages: Sequence[Sequence[Line]], bookmarks: Sequence[Bookmark] = ()) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in blocks_of_pages(pages, bookmarks)]


def test_full_lines_continue_and_short_ones_end() -> None:
    lines = page(("A first line that is full", 500, 10), ("and its end.", 200, 10), ("Another line.", 250, 10))
    assert texts([lines]) == [("text", "A first line that is full and its end.\nAnother line.")]


def test_larger_lines_are_headings_by_their_size() -> None:
    lines = page(("Title", 200, 20), ("Part", 150, 14), ("Text of the part, which is long.", 500, 10))
    assert [(block.text, block.level) for block in blocks_of_pages([lines], [])] == [
        ("Title", 1),
        ("Part", 2),
        ("Text of the part, which is long.", 0),
    ]


def test_bookmarks_are_the_headings_where_there_are_some() -> None:
    lines = page(("LARGE PRINT", 200, 20), ("1. Part", 150, 10), ("Text of it, which is long.", 500, 10))
    assert texts([lines], [Bookmark("1.  Part", 0, 1)]) == [
        ("text", "LARGE PRINT"),
        ("heading", "1. Part"),
        ("text", "Text of it, which is long."),
    ]


def test_a_gap_ends_a_paragraph() -> None:
    lines = [*page(("Full line of text", 500, 10)), *page(("Next", 500, 10), top=750)]
    assert texts([lines]) == [("text", "Full line of text"), ("text", "Next")]


def test_items_of_a_list_are_lines() -> None:
    lines = page(("• the first item of a list", 500, 10), ("• the second one", 480, 10), ("2) third", 470, 10))
    assert texts([lines])[0][1].count("\n") == 2


def test_hangul_that_breaks_inside_of_words_joins_without_a_blank() -> None:
    broken = page(
        ("부서장은 하루 안에 결재하며 인사팀", 500, 10),
        ("이 대신 처리한다. 결재가 늦어지면", 499, 10),
        (" 다시 올린다.", 200, 10),
    )
    assert texts([broken]) == [
        ("text", "부서장은 하루 안에 결재하며 인사팀이 대신 처리한다. 결재가 늦어지면 다시 올린다.")
    ]
    whole = page(("부서장은 하루 안에 결재하며", 500, 10), ("인사팀이 대신 처리한다.", 300, 10))
    assert texts([whole]) == [("text", "부서장은 하루 안에 결재하며 인사팀이 대신 처리한다.")]


def test_a_hyphen_at_the_end_of_a_line_is_removed() -> None:
    lines = page(("A word that is hyphen\ufffe", 500, 10), ("ated at its end.", 300, 10))
    assert texts([lines]) == [("text", "A word that is hyphenated at its end.")]


def test_running_heads_and_page_numbers_are_no_text() -> None:
    pages = [
        page(("인사 규정집", 200, 10), (f"Text {word} of a page.", 500, 10), (f"- {number} -", 100, 10))
        for number, word in enumerate(("one", "two", "three", "four"), start=1)
    ]
    assert [text for _, text in texts(pages)] == [f"Text {word} of a page." for word in ("one", "two", "three", "four")]
    assert [block.page for block in blocks_of_pages(pages, [])] == [1, 2, 3, 4]
    assert isinstance(next(iter(blocks_of_pages(pages, []))), Block)


def test_lines_that_differ_in_their_numbers_alone_are_a_list_and_not_running() -> None:
    pages = [page(*((f"Item {10 * number + line}", 200, 10) for line in range(10))) for number in range(4)]
    assert [text.count("Item") for _, text in texts(pages)] == [10] * 4
    single = [page((f"Lot {number}", 200, 10)) for number in range(4)]
    assert [text for _, text in texts(single)] == [f"Lot {number}" for number in range(4)]
