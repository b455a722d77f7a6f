"""The server's own fusion: from a file, shown in responses, and second to what a request asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.errors import DataError
from dpr.pipeline import OpenQA
from dpr.search.fusion import MISSING_RULES
from dpr.search.open import open_index
from service.app import create_app
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import fake_qa, serving, settings_of
from tests.small_index import small_index

HANGUL = {"method": "rrf", "rrf_constant": 60.0, "weights": {"dense": 1.0, "bm25": 0.0}}
DEFAULT = {"method": "minmax", "rrf_constant": 60.0, "weights": {"dense": 0.0, "bm25": 1.0}}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fusion") / "fusion.json"
    path.write_text(json.dumps({"hangul": HANGUL, "default": DEFAULT}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def client(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of a real index, whose hits tell how they were fused."""
    root = tmp_path_factory.mktemp("fusion-index") / "index"
    small_index(root)
    opened = open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())
    with serving(lambda: OpenQA(opened, None), fusion_file=file) as client:
        yield client


def retrieve(client: TestClient, **body: object) -> dict[str, Any]:
    response = client.post("/v1/retrieve", json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def told(part: dict[str, Any], hangul: dict[str, Any] | None) -> dict[str, Any]:
    method = part["method"]
    return {"method": method, "weights": part["weights"], "missing_rule": MISSING_RULES[method], "hangul": hangul}


def test_questions_are_fused_by_their_script_and_the_response_says_how(client: TestClient) -> None:
    response = retrieve(client, questions=["capital of France", "대한민국의 수도"], k=1)
    assert response["fusion"] == told(DEFAULT, told(HANGUL, None))
    english, korean = (result["hits"][0] for result in response["results"])
    assert english["score"] == english["lists"]["bm25"]["contribution"] == 1.0
    assert korean["score"] == korean["lists"]["dense"]["contribution"] == pytest.approx(1 / 61)


def test_info_tells_the_default(client: TestClient) -> None:
    assert client.get("/v1/info").json()["fusion_default"] == told(DEFAULT, told(HANGUL, None))
    with serving(fake_qa) as plain:
        equal = {"method": "zscore", "weights": {"dense": 0.5, "bm25": 0.5}}
        assert plain.get("/v1/info").json()["fusion_default"] == told(equal, None)


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ({"fusion": "rrf"}, {"method": "rrf", "weights": {"dense": 0.5, "bm25": 0.5}}),
        ({"weights": {"dense": 0.3, "bm25": 0.7}}, {"method": "zscore", "weights": {"dense": 0.3, "bm25": 0.7}}),
    ],
)
def test_a_request_that_says_how_is_fused_by_that_alone(
    client: TestClient, asked: dict[str, Any], used: dict[str, Any]
) -> None:
    assert retrieve(client, question="대한민국의 수도", **asked)["fusion"] == told(used, None)


def test_a_single_list_is_not_fused(client: TestClient) -> None:
    assert retrieve(client, question="capital", retriever="bm25")["fusion"] is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file; dpr tune --output writes one"),
        ("{}", "not a file of dpr tune --output"),
        (
            json.dumps({**DEFAULT, "weights": {"bm25": 1, "tfidf": 1}}),
            "weights are given for bm25, tfidf: give one for",
        ),
        (
            json.dumps({"default": DEFAULT, "hangul": {**HANGUL, "weights": {"tfidf": 1}}}),
            "given for tfidf: give one for",
        ),
    ],
)
def test_a_bad_file_ends_the_start_in_a_sentence(tmp_path: Path, content: str | None, sentence: str) -> None:
    file = tmp_path / "fusion.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=sentence) as caught:
        create_app(settings_of(fusion_file=file))
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)
