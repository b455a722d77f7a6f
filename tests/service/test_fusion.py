"""The server's own fusion: from a file, shown in responses, and second to what a request asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import log1p
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.errors import DataError
from dpr.pipeline import QA
from dpr.search.fusion import MISSING_RULES, Fusion
from dpr.search.open import OpenIndex, open_index
from dpr.search.record import save_fusion
from service.app import create_app
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import serving, settings_of
from tests.small_index import small_index

OF_FILE = {"method": "minmax", "weights": {"dense": 0.25, "bm25": 0.75}, "coverage_power": 1.0, "rrf_constant": 60.0}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fusion") / "fusion.json"
    path.write_text(json.dumps(OF_FILE), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenIndex:
    root = tmp_path_factory.mktemp("fusion-index") / "index"
    small_index(root)
    return open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())


@pytest.fixture(scope="module")
def client(file: Path, opened: OpenIndex) -> Iterator[TestClient]:
    """A server of a real index, whose hits tell how they were fused."""
    with serving(lambda: QA(opened, None), fusion_file=file) as client:
        yield client


def retrieve(client: TestClient, **body: object) -> dict[str, Any]:
    response = client.post("/v1/retrieve", json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def told(method: str, dense: float, bm25: float, power: float) -> dict[str, Any]:
    weights = {"dense": dense, "bm25": bm25}
    return {"method": method, "weights": weights, "coverage_power": power, "missing_rule": MISSING_RULES[method]}


def test_the_response_says_how_much_each_list_counted_for_each_question_and_why(client: TestClient) -> None:
    response = retrieve(client, questions=["capital of france", "the quito", "nothing shared"], k=1)
    assert response["fusion"] == told("minmax", 0.25, 0.75, 1.0)
    whole, part, none = (result["weighing"] for result in response["results"])
    assert whole == {"weights": {"dense": 0.25, "bm25": 0.75}, "coverage": {"bm25": 1.0}}
    share = log1p(4.5 / 2.5) / (log1p(4.5 / 2.5) + log1p(6.5 / 0.5))  # of six passages, two have "the", none "quito"
    assert part["coverage"] == {"bm25": pytest.approx(share)}
    assert part["weights"] == {
        "dense": pytest.approx(0.25 / (0.25 + 0.75 * share)),
        "bm25": pytest.approx(0.75 * share / (0.25 + 0.75 * share)),
    }
    assert none == {"weights": {"dense": 1.0, "bm25": 0.0}, "coverage": {"bm25": 0.0}}
    for result in response["results"]:
        [hit] = result["hits"]
        assert hit["score"] == pytest.approx(sum(part["contribution"] for part in hit["lists"].values()))
        assert sum(result["weighing"]["weights"].values()) == pytest.approx(1.0)


def test_a_file_wins_over_the_index_and_a_request_over_both(client: TestClient, opened: OpenIndex) -> None:
    assert client.get("/v1/info").json()["fusion_default"] == told("minmax", 0.25, 0.75, 1.0)
    with serving(lambda: QA(opened, None)) as plain:
        assert plain.get("/v1/info").json()["fusion_default"] == told("zscore", 0.25, 0.75, 2.0)
        assert retrieve(plain, question="수도")["fusion"] == told("zscore", 0.25, 0.75, 2.0)
        assert retrieve(plain, question="수도", fusion="rrf")["fusion"] == told("rrf", 0.5, 0.5, 0.0)


def test_what_the_index_has_on_record_is_the_default(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    save_fusion(tmp_path / "index", Fusion("raw", {"dense": 0.6, "bm25": 0.4}, coverage_power=3.0))
    index = open_index(tmp_path / "index", encoder=HashEncoder(), analyzer=WordAnalyzer())
    with serving(lambda: QA(index, None)) as client:
        assert retrieve(client, question="수도")["fusion"] == told("raw", 0.6, 0.4, 3.0)
        assert client.get("/v1/info").json()["fusion_default"] == told("raw", 0.6, 0.4, 3.0)


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ({"fusion": "rrf"}, ("rrf", 0.5, 0.5, 0.0)),
        ({"weights": {"dense": 0.3, "bm25": 0.7}}, ("zscore", 0.3, 0.7, 0.0)),
    ],
)
def test_a_request_that_says_how_is_fused_by_that_alone(
    client: TestClient, asked: dict[str, Any], used: tuple[str, float, float, float]
) -> None:
    response = retrieve(client, question="대한민국의 수도 quito", **asked)
    assert response["fusion"] == told(*used)
    [result] = response["results"]
    assert result["weighing"]["weights"] == {"dense": used[1], "bm25": used[2]}


def test_a_single_list_is_not_fused(client: TestClient) -> None:
    response = retrieve(client, question="capital", retriever="bm25")
    assert (response["fusion"], response["results"][0]["weighing"]) == (None, None)


@pytest.mark.parametrize("path", ["retrieve", "explain"])
def test_a_client_of_an_index_without_vectors_is_told_what_it_can_ask(tmp_path: Path, path: str) -> None:
    small_index(tmp_path / "index", encoder=None)
    opened = open_index(tmp_path / "index", analyzer=WordAnalyzer())
    with serving(lambda: QA(opened, None)) as client:
        refused = client.post(f"/v1/{path}", json={"question": "capital", "retriever": "hybrid"})
        weighed = client.post(f"/v1/{path}", json={"question": "capital", "fusion": "rrf"})
        slow = client.post(f"/v1/{path}", json={"question": "capital", "retriever": "rank-bm25"})
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "retriever"
    assert (
        refused.json()["error"]["message"] == "this index has no vectors for the retriever 'hybrid'; ask bm25 or tfidf"
    )
    assert weighed.json()["error"]["message"] == "the retriever bm25 fuses nothing; leave fusion out"
    assert "; ask bm25 or tfidf, or start dpr-serve with --rank-bm25" in slow.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "the file does not exist; write one with dpr tune --output"),
        ("{}", "not a file of dpr tune --output"),
        (
            json.dumps({**OF_FILE, "weights": {"bm25": 1, "tfidf": 1}}),
            "weights are given for bm25, tfidf: give one for",
        ),
        (json.dumps({**OF_FILE, "coverage_power": -1}), "coverage_power is -1"),
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
