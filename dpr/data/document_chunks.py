"""Cut a document into passages along its structure: a section is never cut where it need not be.

A passage is of one section. It begins with the section's headings, if it is the first of the section; it holds a table
whole if that fits, else whole rows, and whole sentences. Its title is the document's and the headings above it, so that
a passage from the middle of a section can be found by them; its fields tell the page and the section.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from dpr.data.chunk import CountTokens, packed, units
from dpr.data.documents import LAST_PAGE, PAGE, SECTION, Document
from dpr.data.sentences import Span
from dpr.documents.document import SECTION_SEPARATOR, BlockSpan
from dpr.metadata import MetadataValue
from dpr.types import Passage

LONGEST_TITLE = 160
"""Characters of a passage's title; of a longer one, the document's title and the last headings stay."""

_LEAST_ROOM_DIVISOR = 4
"""Headings that leave less than a quarter of the budget for text are cut as text."""

Budget = Callable[[str], int]
"""Returns the tokens of a text that fit beside a title."""


@dataclass(frozen=True, slots=True)
class _Section:
    """Blocks below the same headings, which come first."""

    headings: Sequence[BlockSpan]
    blocks: Sequence[BlockSpan]

    @property
    def path(self) -> tuple[str, ...]:
        return (self.headings or self.blocks)[-1].headings


def chunk_document(document: Document, budget: Budget, overlap_tokens: int, count_tokens: CountTokens) -> list[Passage]:
    """Cut a document into passages of at most the budget of their title, each an exact substring of its text.

    Every character except white space is in a passage. Passage n has the id ``f"{document.id}#{n}"``. Within a section,
    a passage begins with the last sentences of the previous one, as many as fit into ``overlap_tokens``.
    """
    passages: list[Passage] = []
    for section in _sections(document.spans):
        title = passage_title(document.title, section.path)
        most = budget(title)
        whole = _section_units(document.text, section, most, count_tokens)
        for start, end in packed(document.text, whole, most, min(overlap_tokens, most - 1), count_tokens):
            metadata = {**document.metadata, **_location(section, start, end)}
            identity = f"{document.id}#{len(passages)}"
            passages.append(Passage(identity, document.text[start:end], title, document.id, start, metadata))
    return passages


def passage_title(title: str, headings: Sequence[str]) -> str:
    """Return a document's title and the headings of a section, in at most about `LONGEST_TITLE` characters."""
    path = [heading for heading in headings if heading != title]
    while path and len(SECTION_SEPARATOR.join([title, *path])) > LONGEST_TITLE:
        path = path[1:]
    return SECTION_SEPARATOR.join(filter(None, [title, *path]))


def _sections(spans: Sequence[BlockSpan]) -> Iterator[_Section]:
    headings: list[BlockSpan] = []
    for is_heading, group in groupby(spans, key=lambda span: span.kind == "heading"):
        if is_heading:
            headings = list(group)
        else:
            yield _Section(headings, list(group))
            headings = []
    if headings:
        yield _Section(headings, ())


def _section_units(text: str, section: _Section, max_tokens: int, count_tokens: CountTokens) -> list[Span]:
    """Return what is not cut: the headings with what follows them, tables, sentences."""
    if not section.headings:
        return _block_units(text, section.blocks, max_tokens, max_tokens, count_tokens)
    start, end = section.headings[0].start, section.headings[-1].end
    room = max_tokens - count_tokens(text[start:end]) - 1
    if not section.blocks or room < max_tokens // _LEAST_ROOM_DIVISOR:
        return [
            *(
                unit
                for span in section.headings
                for unit in units(text, (span.start, span.end), max_tokens, count_tokens)
            ),
            *_block_units(text, section.blocks, max_tokens, max_tokens, count_tokens),
        ]
    first, *others = _block_units(text, section.blocks, room, max_tokens, count_tokens)
    return [(start, first[1]), *others]


def _block_units(
    text: str, blocks: Sequence[BlockSpan], first_room: int, max_tokens: int, count_tokens: CountTokens
) -> list[Span]:
    """Return tables that fit and sentences; what the first block is cut into leaves room for the headings."""
    spans: list[Span] = []
    for block in blocks:
        room = first_room if not spans else max_tokens
        is_whole = block.kind == "table" and count_tokens(text[block.start : block.end]) <= room
        bounds = block.start, block.end
        spans += [bounds] if is_whole else units(text, bounds, room, count_tokens)
    return spans


def _location(section: _Section, start: int, end: int) -> dict[str, MetadataValue]:
    """Return the pages and the section of a passage, as far as the format has them."""
    location: dict[str, MetadataValue] = {}
    pages = [
        span.page
        for span in (*section.headings, *section.blocks)
        if span.page is not None and span.start < end and span.end > start
    ]
    if pages:
        location[PAGE] = pages[0]
        if pages[-1] != pages[0]:
            location[LAST_PAGE] = pages[-1]
    if section.path:
        location[SECTION] = SECTION_SEPARATOR.join(section.path)
    return location
