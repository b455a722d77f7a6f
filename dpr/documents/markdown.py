"""Markdown, by markdown-it-py: CommonMark with tables, and YAML front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from math import isinf, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpr.documents.document import Block, Converted, Value, table_text
from dpr.documents.text_files import read_text
from dpr.errors import DocumentError
from dpr.metadata import LARGEST_INTEGER

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def read_markdown(path: Path, encoding: str) -> Converted:
    """Return the headings, paragraphs, list items, code and tables of a Markdown file, without their marks.

    The front matter gives the title and the fields: strings, numbers, booleans, dates, and lists of these as strings.

    Raises:
        DocumentError: it is no text, or its front matter is not YAML, or has an infinite number or one of over 64 bits.
    """
    from markdown_it import MarkdownIt

    text = read_text(path, encoding).replace("\r\n", "\n")
    match = _FRONT_MATTER.match(text)
    fields = _fields(match[1]) if match else {}
    tokens = MarkdownIt("commonmark").enable("table").parse(text[match.end() :] if match else text)
    title = fields.pop("title", "")
    return Converted(tuple(_blocks(tokens)), str(title), fields)


def _fields(front_matter: str) -> dict[str, Value]:
    import yaml

    try:
        values = yaml.safe_load(front_matter)
    except (yaml.YAMLError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise DocumentError(f"its front matter is not YAML ({cause}); correct it, or remove its '---' lines") from None
    if not isinstance(values, Mapping):
        return {}
    return {str(name): value for name, item in values.items() if (value := _value(str(name), item)) is not None}


def _value(name: str, item: Any) -> Value | None:
    """Return a value of YAML as a field's; None for NaN and for what no field can hold, such as a mapping."""
    match item:
        case float() if isnan(item):
            return None
        case int() | float() if abs(item) > LARGEST_INTEGER if isinstance(item, int) else isinf(item):
            raise DocumentError(
                f"its front matter has {name!r}: {item}, which is infinite or has more than 64 bits; put it in "
                "quotation marks"
            )
        case bool() | int() | float() | str():
            return item
        case date():
            return item.isoformat()
        case list() if all(isinstance(entry, str | int | float | date) for entry in item):
            return [entry.isoformat() if isinstance(entry, date) else str(entry) for entry in item]
        case _:
            return None


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    """Yield a block for each token with a text; the items of a list are paragraphs."""
    level, rows = 0, list[list[str]]()
    for token in tokens:
        match token.type:
            case "heading_open":
                level = int(token.tag[1:])
            case "heading_close":
                level = 0
            case "table_open":
                rows = []
            case "tr_open":
                rows.append([])
            case "table_close":
                yield Block(table_text(rows), "table")
                rows = []
            case "inline" if rows:
                rows[-1].append(_inline_text(token))
            case "inline":
                yield Block(_inline_text(token), "heading" if level else "text", level)
            case "fence" | "code_block":
                yield Block(token.content)
            case "html_block":
                yield Block(_TAG.sub(" ", token.content))


def _inline_text(token: Token) -> str:
    """Return what a reader of the page sees: texts and code, the descriptions of images, line breaks."""
    texts = []
    for child in token.children or ():
        match child.type:
            case "text" | "code_inline" | "image":
                texts.append(child.content)
            case "softbreak":
                texts.append(" ")
            case "hardbreak":
                texts.append("\n")
    return "".join(texts)
