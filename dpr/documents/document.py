"""A converted document: its text in blocks, with the page and the headings of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

BlockKind = Literal["heading", "text", "table"]

SECTION_SEPARATOR = " > "
"""Between the headings of a section: ``인사 규정 > 휴가``."""

LONGEST_HEADING = 200
"""Characters; a longer paragraph in the style of a heading is text."""

_BETWEEN_BLOCKS = "\n\n"

Value = str | int | float | bool | list[str]
"""The value of a field, as JSON has it; a date is ISO 8601."""


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph, or a table of a document; a table has a line for each row.

    Attributes:
        text: the text, without white space around it.
        kind: ``heading``, ``text`` or ``table``.
        level: of a heading, from 1, the highest.
        page: where it begins, from 1; None in a format without pages.
    """

    text: str
    kind: BlockKind = "text"
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Converted:
    """What a file says: its title (may be empty), its fields, its blocks in reading order, and notes for the user."""

    blocks: tuple[Block, ...]
    title: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockSpan:
    """The block ``text[start:end]`` of a document, with its page and the headings above it, the highest first.

    Those of a heading end with the heading itself.
    """

    start: int
    end: int
    kind: BlockKind
    page: int | None
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """The text of a document and its blocks in it."""

    text: str
    spans: tuple[BlockSpan, ...]


def clean_blocks(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return the blocks that have a text, which loses blanks around it and characters that no text has.

    These are NUL, which databases and terminals refuse, and halves of surrogate pairs, which UTF-8 cannot write.
    """
    cleaned = (
        Block(clean(block.text), block.kind, block.level, block.page) for block in map(_without_long_heading, blocks)
    )
    return tuple(block for block in cleaned if block.text)


def _without_long_heading(block: Block) -> Block:
    is_too_long = block.kind == "heading" and len(block.text) > LONGEST_HEADING
    return Block(block.text, page=block.page) if is_too_long else block


def clean(text: str) -> str:
    """Return a text as `clean_blocks` does."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def outline(blocks: Sequence[Block]) -> Outline:
    """Join blocks as one text, a blank line between them, and note the headings above each."""
    spans: list[BlockSpan] = []
    path: list[tuple[int, str]] = []
    texts: list[str] = []
    position = 0
    for block in blocks:
        if block.kind == "heading":
            path = [heading for heading in path if heading[0] < block.level]
            path.append((block.level, " ".join(block.text.split())))
        headings = tuple(heading for _, heading in path)
        spans.append(BlockSpan(position, position + len(block.text), block.kind, block.page, headings))
        texts.append(block.text)
        position += len(block.text) + len(_BETWEEN_BLOCKS)
    return Outline(_BETWEEN_BLOCKS.join(texts), tuple(spans))


def first_heading(blocks: Sequence[Block]) -> str:
    """Return the heading that a document begins with, if it is the only one of its level; empty without one."""
    if not blocks or blocks[0].kind != "heading":
        return ""
    highest = min(block.level for block in blocks if block.kind == "heading")
    of_level = [block for block in blocks if block.kind == "heading" and block.level == highest]
    return " ".join(blocks[0].text.split()) if of_level == [blocks[0]] else ""


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """Return a table as text: a line for each row, a bar between cells; a merged cell is written once."""
    lines = []
    for row in rows:
        cells = [cell for cell, _ in groupby(" ".join(cell.split()) for cell in row)]
        if any(cells):
            lines.append(" | ".join(cells))
    return "\n".join(lines)
