"""The lines of a PDF's pages as paragraphs and headings, by where they stand and how large they are.

A PDF says where each character is, not what belongs together. A line continues the one before it if that one reaches
the right edge of its column; a line of larger type than most is a heading; a line that most pages repeat at
their top or bottom is none of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dpr.documents.document import LONGEST_HEADING, Block

_HEADING_RATIO = 1.15
"""How much larger than most of the text a heading is."""

_LARGEST_GAP = 0.9
"""Between lines of a paragraph, in heights of a line; lines are set at most double-spaced."""

_FULL_LINE = 0.88
"""Of a column's width: how far a line goes that the next one continues."""

_LEAST_COLUMN = 0.35
"""Of the width of a page's text: narrower columns are of tables, whose lines do not continue."""

_LEAST_BREAKS_AT_BLANKS = 0.1
"""Share of the line ends between Hangul that have a blank, in a text whose other line ends are inside of words."""

_MOST_ON_A_PAGE = 2
"""Running lines of a form, on average: at the top and at the bottom."""

_ITEM = re.compile(r"\s*(?:[•▪○●◦■□※·∙–\-*]\s|\(?\d{1,3}[.)]\s|[가-하][.)]\s|[①-⑳]|제\s?\d+\s?[조장절항])")

_SOFT_HYPHEN = "\ufffe"
"""How PDFium writes a hyphen at the end of a line inside of a word."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page: its text, with a blank at an end where the page has one, and its edges in points."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        """Height of the first character's box, which grows with the size of the type; 0 if it is not known."""
        return round(self.top - self.bottom, 1)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of a PDF's table of contents: title, index of the page, level from 1."""

    title: str
    page: int
    level: int


def blocks_of_pages(pages: Sequence[Sequence[Line]], bookmarks: Sequence[Bookmark]) -> Iterator[Block]:
    """Yield the headings and paragraphs of pages, in the order of their lines."""
    running = _running_lines(pages)
    texts: Sequence[Sequence[Line]] = [_without_running_lines(lines, running) for lines in pages]
    if not any(texts):  # pages of single lines that differ in their numbers alone
        texts = pages
    level_of = _heading_levels(texts, bookmarks)
    is_broken_in_words = _breaks_inside_words(texts)
    for index, lines in enumerate(texts):
        edges = _Edges(lines, is_broken_in_words)
        paragraph: list[Line] = []
        level = 0
        for line in lines:
            line_level = level_of(index, line)
            if paragraph and (line_level != level or not _belongs(paragraph[-1], line)):
                yield _block(paragraph, level, index + 1, edges)
                paragraph = []
            paragraph.append(line)
            level = line_level
        if paragraph:
            yield _block(paragraph, level, index + 1, edges)


def _heading_levels(pages: Sequence[Sequence[Line]], bookmarks: Sequence[Bookmark]) -> Callable[[int, Line], int]:
    """Return what tells the level of a line of a page (by its index), 0 for text: the bookmarks, or its height."""
    of_bookmarks = {(bookmark.page, _squeezed(bookmark.title)): bookmark.level for bookmark in bookmarks}
    if any((index, _squeezed(line.text)) in of_bookmarks for index, lines in enumerate(pages) for line in lines):
        return lambda index, line: of_bookmarks.get((index, _squeezed(line.text)), 0)
    of_heights = _levels(pages)
    return lambda _, line: of_heights.get(line.height, 0)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _running_lines(pages: Sequence[Sequence[Line]]) -> set[str]:
    """Return what most pages begin or end with, page numbers aside; lines of which a page has many are a list's."""
    ends = Counter(name for lines in pages if lines for name in {_running_name(lines[0]), _running_name(lines[-1])})
    written = sum(bool(lines) for lines in pages)
    running = {name for name, count in ends.items() if count >= 3 and 2 * count > written}
    all_lines = Counter(name for lines in pages for name in map(_running_name, lines) if name in running)
    return {name for name in running if all_lines[name] <= _MOST_ON_A_PAGE * written}


def _running_name(line: Line) -> str:
    return re.sub(r"\d+", "#", _squeezed(line.text))


def _without_running_lines(lines: Sequence[Line], running: set[str]) -> list[Line]:
    first, last = 0, len(lines)
    while first < last and _running_name(lines[first]) in running:
        first += 1
    while last > first and _running_name(lines[last - 1]) in running:
        last -= 1
    return list(lines[first:last])


def _levels(pages: Sequence[Sequence[Line]]) -> dict[float, int]:
    """Return the level of each height of type that is larger than most of the text; the largest is level 1."""
    characters: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            characters[line.height] += len(line.text)
    if not characters:
        return {}
    body = characters.most_common(1)[0][0]
    larger = sorted((height for height in characters if body and height >= _HEADING_RATIO * body), reverse=True)
    return {height: level for level, height in enumerate(larger, start=1)}


class _Edges:
    """The right edges of a page's columns, by where their lines begin; and whether lines may end inside of words."""

    def __init__(self, lines: Sequence[Line], is_broken_in_words: bool) -> None:
        self._right: dict[int, float] = {}
        for line in lines:
            column = self._column(line)
            self._right[column] = max(self._right.get(column, 0.0), line.right)
        width = max((line.right for line in lines), default=0.0) - min((line.left for line in lines), default=0.0)
        self._least_width = _LEAST_COLUMN * width
        self._is_broken_in_words = is_broken_in_words

    @staticmethod
    def _column(line: Line) -> int:
        return round(line.left / 8)  # steps of 8 points

    def is_full(self, line: Line) -> bool:
        """Tell whether a line goes so far that the next one continues it."""
        width = self._right[self._column(line)] - line.left
        return width >= self._least_width and line.right - line.left >= _FULL_LINE * width

    def ends_inside_word(self, line: Line) -> bool:
        """Tell whether the last word of a line without a blank at its end continues: one more syllable had no room."""
        return self._is_broken_in_words and self._right[self._column(line)] - line.right < line.height


def _belongs(before: Line, line: Line) -> bool:
    """Tell whether a line stands right below another one of the same type."""
    height = before.height
    gap = before.bottom - line.top
    is_below = -0.5 * height <= gap <= _LARGEST_GAP * height
    return is_below and abs(line.height - height) < 0.1 * max(height, line.height) and line.left < before.right


def _block(lines: Sequence[Line], level: int, page: int, edges: _Edges) -> Block:
    text = lines[0].text.strip()
    for before, line in pairwise(lines):
        text = text.removesuffix(_SOFT_HYPHEN) + _between(before, line, level, edges) + line.text.strip()
    if level and len(text) <= LONGEST_HEADING:
        return Block(text, "heading", level, page)
    return Block(text, page=page)


def _between(before: Line, line: Line, level: int, edges: _Edges) -> str:
    """Return what stands between two lines of a block: a line break where the second does not continue the first."""
    if not level and (not edges.is_full(before) or _ITEM.match(line.text)):
        return "\n"
    end, beginning = before.text[-1:], line.text[:1]
    if end == _SOFT_HYPHEN or (_is_hangul(end) and _is_hangul(beginning) and edges.ends_inside_word(before)):
        return ""
    return " "


def _is_hangul(character: str) -> bool:
    return "가" <= character <= "힣"


def _breaks_inside_words(pages: Sequence[Sequence[Line]]) -> bool:
    """Tell whether lines end inside of Korean words: some then have a blank at their end, and the others are inside."""
    at_blanks = inside = 0
    for lines in pages:
        for before, line in pairwise(lines):
            if _is_hangul(before.text.rstrip()[-1:]) and _is_hangul(line.text.lstrip()[:1]):
                has_blank = before.text[-1:].isspace() or line.text[:1].isspace()
                at_blanks, inside = at_blanks + has_blank, inside + (not has_blank)
    return at_blanks > _LEAST_BREAKS_AT_BLANKS * (at_blanks + inside)
