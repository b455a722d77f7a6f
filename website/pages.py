"""The pages of the documentation and their links: what the site is built from and what the link test reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE_PATTERNS = ("*.md", "docs/**/*.md", "models/*/README.md")

_LINK = re.compile(r"\[(?P<text>(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Link:
    """A relative link of a page: the file that it names, and the anchor there, empty for none."""

    path: Path
    anchor: str


def pages(root: Path = ROOT) -> list[Path]:
    """Return every page of a repository, sorted."""
    return sorted({path for pattern in PAGE_PATTERNS for path in root.glob(pattern)})


def links(page: Path) -> Iterator[Link]:
    """Yield the relative links of a page, images too; links in code and links to other hosts are left out."""
    for match in _LINK.finditer(_without_code(page.read_text(encoding="utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if not re.match(r"[a-z]+:", target):
            yield Link((page.parent / target).resolve() if target else page, anchor)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them; the site makes the same ones."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    slugs = [re.sub(r"[^\w\- ]", "", _LINK.sub(r"\g<text>", heading)).lower().replace(" ", "-") for heading in headings]
    repeats = [slugs[:position].count(slug) for position, slug in enumerate(slugs)]
    return {f"{slug}-{count}" if count else slug for slug, count in zip(slugs, repeats, strict=True)}


def _without_code(text: str) -> str:
    without_blocks = re.sub(r"(?<=\n\n)(?: {4}.*\n|\n)+", "\n", _FENCE.sub("", text))
    return re.sub(r"(`+)(?:(?!\1|\n\n).)+?\1", "code", without_blocks, flags=re.DOTALL)
