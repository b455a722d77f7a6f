"""A small index for tests, built without a model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dpr.store.manifest import Manifest
from dpr.types import Encoder, Passage
from index_builder.build import BuildOptions, build
from tests.fakes import HashEncoder, WordAnalyzer

ENCODER = HashEncoder()

PASSAGES = (
    Passage("seoul", "서울은 대한민국의 수도이다", "서울"),
    Passage("busan", "부산은 대한민국의 항구 도시이다", "부산"),
    Passage("paris", "Paris is the capital of France", "Paris"),
    Passage("rome", "Rome is the capital of Italy", "Rome"),
    Passage("python", "Python is a programming language", ""),
    Passage("kimchi", "kimchi is a dish of fermented cabbage from Korea", "Kimchi"),
)


def write_jsonl(path: Path, passages: Iterable[Passage] = PASSAGES) -> str:
    """Write passages as a source and return the source's name."""
    rows = (
        {"id": passage.id, "title": passage.title, "text": passage.text, **passage.metadata} for passage in passages
    )
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def small_index(
    root: Path, passages: Iterable[Passage] = PASSAGES, encoder: Encoder | None = ENCODER, **options: Any
) -> Manifest:
    """Publish passages as the next generation of an index at ``root``."""
    source = write_jsonl(root.with_suffix(".jsonl"), passages)
    return build(BuildOptions(sources=(source,), output=root, **options), encoder, WordAnalyzer())


def content(root: Path) -> dict[str, bytes]:
    """Return every file of an index but its lock, by name."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}
