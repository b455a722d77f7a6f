"""Forty documents of all formats: one command indexes them, and forty questions find their pages and sections."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

import dpr
from dpr.results import Hit
from index_builder.cli import app
from tests.documents.content import TEXTS
from tests.documents.make import WITH_PAGES, WITH_SECTIONS, WRITERS, ending_of, make_documents, name_of

LEAST_FOUND = 0.95


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("documents") / "handbook"
    make_documents(root)
    return root


def test_all_formats_are_there_in_both_languages() -> None:
    assert len(TEXTS) >= 40
    for start in (0, 1):
        assert {ending_of(index) for index in range(start, len(TEXTS), 2)} == set(WRITERS)


def build(folder: Path, index: Path, *options: str) -> dict[str, object]:
    result = CliRunner().invoke(
        app, ["build", "--corpus", str(folder), "--output", str(index), "--json", *options], catch_exceptions=False
    )
    assert result.exit_code == 0, result.stderr
    assert "converting documents to text: " in result.stderr
    summary: dict[str, object] = json.loads(result.stdout)
    return summary


def is_gold(index: int, hit: Hit) -> bool:
    """Tell whether a hit is the passage that answers a question, and can be found again in its file."""
    text, ending = TEXTS[index], ending_of(index)
    assert hit.passage is not None
    passage, section = hit.passage, text.sections[text.index]
    if text.answer not in passage.text:
        return False
    if ending in (".csv", ".tsv", ".jsonl", ".parquet"):
        return passage.id == f"{text.name}-{text.index + 1}"
    if passage.metadata["source"] != f"handbook/{name_of(index)}":
        return False
    if ending in WITH_PAGES:
        assert passage.metadata["page"] == text.index + 1
    if ending in WITH_SECTIONS:
        assert str(passage.metadata["section"]).endswith(section.heading)
    return True


def found_questions(qa: dpr.QA, retriever: str) -> list[int]:
    hits: Sequence[Sequence[Hit]] = qa.retrieve([text.question for text in TEXTS], k=5, retriever=retriever)
    return [index for index in range(len(TEXTS)) if any(is_gold(index, hit) for hit in hits[index])]


def test_questions_find_their_documents_by_bm25(folder: Path, tmp_path: Path) -> None:
    summary = build(folder, tmp_path / "index", "--no-dense")
    assert summary["documents"] == sum(
        not ending_of(index).startswith((".csv", ".tsv", ".js", ".pa")) for index in range(40)
    )
    assert summary["bad_documents_skipped"] == 0
    assert summary["document_tokens"] == 250
    with dpr.open(tmp_path / "index", reader=None) as qa:
        assert len(found_questions(qa, "bm25")) >= LEAST_FOUND * len(TEXTS)


@pytest.mark.slow
def test_questions_find_their_documents_and_answers_by_the_bundled_models(folder: Path, tmp_path: Path) -> None:
    summary = build(folder, tmp_path / "index")
    assert summary["document_tokens"] == 512
    with dpr.open(tmp_path / "index") as qa:
        found = found_questions(qa, "hybrid")
        absent = [text.name for index, text in enumerate(TEXTS) if index not in found]
        assert len(found) >= LEAST_FOUND * len(TEXTS), absent
        texts: dict[str, list[dpr.Passage]] = {}
        for result in qa.answer([text.question for text in TEXTS]):
            passages = {passage.id: passage for passage in result.passages}
            for answer in result.answers:
                passage = passages[answer.passage_id]
                assert passage.text[answer.start : answer.end] == answer.text
                texts.setdefault(passage.document_id, []).append(passage)
    assert len(texts) > len(TEXTS) // 2
