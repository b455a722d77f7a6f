"""``/v1/explain``: the mathematics are those of `dpr`; here is what the route makes of requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.pipeline import QA
from dpr.search.open import open_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import FakeReader, serving
from tests.service.test_errors import error_of, post
from tests.small_index import small_index

QUESTION = {"question": "capital of France"}


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> QA:
    root = tmp_path_factory.mktemp("explain") / "index"
    small_index(root)
    return QA(open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer()), FakeReader())


@pytest.fixture(scope="module")
def client(qa: QA) -> Iterator[TestClient]:
    with serving(lambda: qa, rank_bm25=True) as client:
        yield client


def explained(client: TestClient, **fields: object) -> dict[str, Any]:
    response = client.post("/v1/explain", json={**QUESTION, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize("retriever", ["dense", "bm25", "tfidf", "rank-bm25", "hybrid"])
def test_it_says_what_python_says(client: TestClient, qa: QA, retriever: str) -> None:
    body = explained(client, passage_id="rome", retriever=retriever)
    assert body["explanation"] == qa.explain(QUESTION["question"], "rome", retriever=retriever).to_dict()
    assert (body["generation"], body["retriever"], body["rerank"]) == (qa.generation, retriever, False)
    assert (body["fusion"] is None) == (body["explanation"]["fusion"] is None) == (retriever != "hybrid")


def test_without_a_passage_it_is_the_best_hit(client: TestClient) -> None:
    assert explained(client)["explanation"] == explained(client, rank=1)["explanation"]
    assert explained(client, rank=2)["explanation"]["rank"] == 2


def test_weights_of_the_request_are_those_of_the_explanation(client: TestClient) -> None:
    body = explained(client, rank=1, fusion="minmax", weights={"dense": 0.1, "bm25": 0.9})
    lists = body["explanation"]["lists"]
    assert {name: entry["fused"]["weight"] for name, entry in lists.items()} == {"dense": 0.1, "bm25": 0.9}
    assert body["explanation"]["fusion"]["formula"].startswith("(score - low) / (high - low)")


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"passage_id": "atlantis"}, 404, "unknown_passage", "passage_id"),
        ({"rank": 7}, 404, "unknown_passage", "rank"),
        ({"rank": 0}, 422, "out_of_range", "rank"),
        ({"rank": 101}, 422, "out_of_range", "rank"),
        ({"rank": 1, "passage_id": "rome"}, 422, "passage_ambiguous", None),
        ({"passage_id": "x" * 1001}, 422, "too_long", "passage_id"),
        ({"passage_id": "\ud800"}, 422, "not_text", "passage_id"),
        ({"question": " "}, 422, "question_empty", "question"),
        ({"question": None}, 422, "wrong_type", "question"),
        ({"questions": ["x"]}, 422, "unknown_field", "questions"),
        ({"k": 5}, 422, "unknown_field", "k"),
        ({"retriever": "bm25", "fusion": "rrf"}, 422, "invalid_request", "fusion"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    client: TestClient, fields: dict[str, object], status: int, code: str, field: str | None
) -> None:
    error_of(post(client, "/v1/explain", {**QUESTION, **fields}), status, code, field)


def test_a_question_is_required(client: TestClient) -> None:
    error_of(post(client, "/v1/explain", {"rank": 1}), 422, "missing_field", "question")
