"""Documents uploaded in Chromium: sent in parts, followed to their end, refused line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.asking import ask
from tests.browser.conftest import OpenPage
from tests.browser.served import HACK, built_index, live
from tests.fakes import HashEncoder, WordAnalyzer

pytestmark = pytest.mark.browser


@pytest.fixture
def writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: HashEncoder())
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    root = built_index(tmp_path / "index")
    allowed: dict[str, Any] = {"allow_writes": True, "reload_interval_s": 0.0, "max_body_bytes": 2_000}
    with live(None, index=root, no_reader=True, **allowed) as address:
        yield address


def test_uploaded_documents_are_followed_until_they_are_found(
    open_page: OpenPage, writable: str, tmp_path: Path
) -> None:
    rows = [{"id": f"row {n}", "title": HACK, "text": f"zebra number {n} " + "of the savanna " * 40} for n in range(5)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(f"{lines}no JSON\n")
    (tmp_path / "note.txt").write_text("A quagga was a kind of zebra")
    page = open_page(writable)
    section = page.get_by_role("region", name="Add documents")
    section.get_by_label("Choose files").set_input_files([tmp_path / "rows.jsonl"])
    uploads = section.locator(".upload")
    expect(uploads.first).to_contain_text("Documents indexed: 1, in index generation")
    expect(uploads.first).to_contain_text("(part 3 of 3)")
    expect(uploads.first).to_contain_text("line 6 refused")
    expect(page.locator("#facts")).to_contain_text("18 passages")
    section.get_by_label("Choose files").set_input_files([tmp_path / "note.txt"])
    expect(uploads.first).to_contain_text("Documents indexed: 1, in index generation")
    ask(page, "quagga zebra")
    expect(page.locator(".hit .title").first).to_have_text("note")
    assert page.evaluate("window.hacked") is None


def test_a_file_that_cannot_be_sent_says_why(open_page: OpenPage, writable: str, tmp_path: Path) -> None:
    (tmp_path / "korean.txt").write_bytes("한라산".encode("cp949"))
    (tmp_path / "long.txt").write_text("long " * 1_000)
    page = open_page(writable)
    section = page.get_by_role("region", name="Add documents")
    section.get_by_label("Choose files").set_input_files([tmp_path / "korean.txt", tmp_path / "long.txt"])
    expect(section.get_by_text("the file is not UTF-8")).to_be_visible()
    expect(section.get_by_text("line 1 is larger than a request may be")).to_be_visible()


def test_documents_are_not_offered_where_none_are_taken(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#facts")).not_to_be_empty()
    expect(page.locator("#documents")).to_be_hidden()
