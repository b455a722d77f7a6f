"""HTML, by selectolax (its engine, Lexbor, parses as browsers do): headings, paragraphs, tables, no navigation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dpr.documents.document import Block, Converted, Value, table_text
from dpr.documents.text_files import decode

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_SKIPPED = frozenset(
    (
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "math",
        "nav",
        "aside",
        "footer",
        "form",
        "button",
        "select",
        "iframe",
        "object",
        "head",
    )
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(_HEADINGS) | frozenset(
    (
        "address",
        "article",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    )
)

_LEAST_COLUMNS = 2
"""Of a table of data."""

_DECLARED = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_DECLARED_WITHIN = 4096

_FIELDS = {"author": ("author", "article:author"), "date": ("date", "article:published_time", "dc.date")}


def read_html(path: Path, encoding: str) -> Converted:
    """Return the headings, paragraphs, list items and tables of a page.

    Of a page with one ``main`` or ``article``, that is read; ``nav``, ``aside`` and ``footer`` never are.

    Raises:
        DocumentError: it is no text, or in another encoding than it declares.
    """
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    try:
        parser = LexborHTMLParser(_decoded(path.read_bytes(), encoding))
    except SelectolaxError:  # any text is HTML
        raise MemoryError from None
    title = parser.css_first("title")
    blocks = tuple(_blocks(_content_of(parser)))
    return Converted(blocks, " ".join(title.text().split()) if title else "", _fields(parser))


def _decoded(content: bytes, encoding: str) -> str:
    declared = _DECLARED.search(content[:_DECLARED_WITHIN])
    name = declared[1].decode("ascii") if declared else encoding
    try:
        "".encode(name)
    except LookupError:
        name = encoding
    return decode(content, "cp949" if name.lower() in ("euc-kr", "ks_c_5601-1987") else name)


def _content_of(parser: LexborHTMLParser) -> LexborNode | None:
    for name in ("main", "article"):
        nodes = parser.css(name)
        if len(nodes) == 1 and nodes[0].text().strip():
            return nodes[0]
    return parser.body or parser.root


def _fields(parser: LexborHTMLParser) -> dict[str, Value]:
    values = {
        (node.attributes.get("name") or node.attributes.get("property") or "").lower(): node.attributes.get("content")
        for node in parser.css("meta")
    }
    fields = {name: next((value for key in keys if (value := values.get(key))), None) for name, keys in _FIELDS.items()}
    return {name: value for name, value in fields.items() if value}


@dataclass(slots=True)
class _Place:
    """Where a text stands: its innermost block element, the level of its heading, and the tables around it."""

    block: int = 0
    level: int = 0
    is_skipped: bool = False
    is_preformatted: bool = False
    tables: list[LexborNode] = field(default_factory=list)


def _blocks(root: LexborNode | None) -> Iterator[Block]:
    """Yield the texts of a tree in order, joined where they stand in the same block element."""
    if root is None:
        return
    current, texts = _Place(), list[str]()
    read_tables: set[int] = set()
    for node in root.traverse(include_text=True):
        if node.tag == "br":
            texts.append("\n")
        if node.tag != "-text":
            continue
        place = _place(node, root)
        if place.is_skipped or any(table.mem_id in read_tables for table in place.tables):
            continue
        if place.block != current.block:
            yield _block(texts, current)
            current, texts = place, []
        if len(place.tables) == 1 and (rows := _data_rows(place.tables[0])):
            read_tables.add(place.tables[0].mem_id)
            yield Block(table_text(rows), "table")
        else:
            text = node.text(deep=False)
            texts.append(text if place.is_preformatted else re.sub(r"\s+", " ", text))
    yield _block(texts, current)


def _block(texts: list[str], place: _Place) -> Block:
    text = "".join(texts)
    if not place.is_preformatted:
        text = re.sub(r" *\n *", "\n", text)
    return Block(text, "heading" if place.level else "text", place.level)


def _place(text: LexborNode, root: LexborNode) -> _Place:
    place, node = _Place(), text.parent
    while node is not None:
        tag = node.tag or ""
        place.is_skipped = place.is_skipped or tag in _SKIPPED
        place.is_preformatted = place.is_preformatted or tag == "pre"
        place.level = place.level or _HEADINGS.get(tag, 0)
        if tag == "table":
            place.tables.append(node)
        if not place.block and tag in _BLOCKS:
            place.block = node.mem_id
        if node.mem_id == root.mem_id:
            break
        node = node.parent
    return place


def _data_rows(table: LexborNode) -> list[list[str]]:
    """Return the cells of a table of data; empty for one that only lays out a page."""
    rows = [[cell.text(separator=" ") for cell in row.css("th, td")] for row in table.css("tr")]
    has_blocks = len(table.css("table")) > 1 or table.css_first("h1, h2, h3, p + p") is not None
    return [] if has_blocks or max(map(len, rows), default=0) < _LEAST_COLUMNS else rows
