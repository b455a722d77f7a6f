"""The listings of docs/client.md run as they stand, against a service on a small corpus."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import dpr.client
from dpr.pipeline import QA
from dpr.search.open import open_index
from dpr.types import Passage
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import FakeReader
from tests.service.live import live
from tests.small_index import small_index

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
PASSAGES = [
    Passage("deep-blue", "IBM built Deep Blue, a chess computer", "Deep Blue"),
    Passage("halla", "한라산 정상의 호수는? 백록담이다", "한라산"),
]


def test_the_listings_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    small_index(tmp_path / "index", PASSAGES)
    qa = QA(open_index(tmp_path / "index", encoder=HashEncoder(), analyzer=WordAnalyzer()), FakeReader())
    listings = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(listings) == 5
    names: dict[str, Any] = {}
    with live(lambda: qa) as address:
        for number, listing in enumerate(listings, start=1):
            program = listing.replace("http://127.0.0.1:8000", address)
            exec(compile(program, f"<listing {number}>", "exec"), names)  # noqa: S102 - our own page
    assert names["hits"][0].passage_id == "deep-blue"
    assert [result.error for result in names["many"]] == [None, None]
    assert names["streamed"].answers == names["first"].answers
    assert names["vectors"].shape == (1, HashEncoder.dimension)
    assert names["second"][0].passage_id == "halla"
    assert re.search(r"^question_empty question \w+ the question is empty", capsys.readouterr().out, re.MULTILINE)


def test_the_page_names_every_public_name() -> None:
    for name in ("Client", "AsyncClient", "Retrieved", "WrittenText"):
        assert hasattr(dpr.client, name)
        assert f"`{name}`" in PAGE or f"import {name}" in PAGE or f", {name}" in PAGE
