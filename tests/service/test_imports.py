"""Imports have limits: on their lines, and on how many are taken in at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import TooManyLinesError
from service.jobs import document
from service.jobs.document import read_lines
from service.jobs.writers import IMPORTS_AT_A_TIME, Writers
from tests.service.test_documents import loaded as loaded
from tests.service.test_documents import ndjson, serving
from tests.small_index import small_index


def test_an_import_has_a_limit_on_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_LINES", 3)
    assert [line.number for line in read_lines(b"1\n2\n3\n\n")] == [1, 2, 3]
    with pytest.raises(TooManyLinesError, match="has 4 lines, over the limit of 3"):
        list(read_lines(b"1\n2\n\n4\n"))


def test_imports_have_a_limit_on_their_number_and_are_refused_with_a_time_to_ask_again(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    with serving(tmp_path / "index") as client:
        writers: Writers = client.app.state.writers  # type: ignore[attr-defined]
        permits = [writers.importing() for _ in range(IMPORTS_AT_A_TIME)]
        for permit in permits:
            permit.__enter__()
        refused = client.post("/v1/documents", content=ndjson({"id": "a", "text": "alpha"}))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        assert refused.headers["retry-after"] == "7"
        for permit in permits:
            permit.__exit__(None, None, None)
        assert client.post("/v1/documents", content=ndjson({"id": "a", "text": "alpha"})).status_code == 202


def test_too_many_lines_are_refused_by_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_LINES", 1)
    small_index(tmp_path / "index")
    with serving(tmp_path / "index") as client:
        refused = client.post("/v1/documents", content=ndjson({"id": "a", "text": "a"}, {"id": "b", "text": "b"}))
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "too_many")
