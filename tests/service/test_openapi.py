"""The OpenAPI document takes what the server takes: what it says is taken, what it refuses is refused."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.search.registry import RETRIEVERS
from service import examples
from service.fusion import served
from service.openapi import add_rules
from tests.service.fakes import FakeIndex, FakeReader, fake_qa, serving, settings_of

jsonschema = pytest.importorskip("jsonschema", reason="needs the package jsonschema")

QUESTION: dict[str, object] = {"question": "Who created Hangul?"}
WEIGHTS = {"dense": 0.4, "bm25": 0.6}

QUERIES: list[tuple[dict[str, object], bool]] = [
    (QUESTION, True),
    ({**QUESTION, "questions": None}, True),
    ({"questions": ["a", "b"]}, True),
    ({"questions": ["a"], "question": None}, True),
    ({}, False),
    ({"question": None}, False),
    ({"questions": None, "question": None}, False),
    ({**QUESTION, "questions": ["a"]}, False),
    ({"question": ""}, False),
    ({"question": " \t"}, False),
    ({"question": "\x1c\x85"}, False),
    ({"question": "a\0"}, False),
    ({"question": "a\nb"}, True),
    ({"question": "x" * 1001}, False),
    ({"questions": []}, False),
    ({"questions": ["a"] * 65}, False),
    ({**QUESTION, "k": 5.0}, True),
    ({**QUESTION, "k": 5.5}, False),
    ({**QUESTION, "k": 0}, False),
    ({**QUESTION, "weights": WEIGHTS}, True),
    ({**QUESTION, "weights": {"dense": 1}}, False),
    ({**QUESTION, "weights": {"dense": 0, "bm25": 0}}, False),
    ({**QUESTION, "weights": {"dense": 0, "bm25": 0.1}}, True),
    ({**QUESTION, "weights": {**WEIGHTS, "tfidf": 1}}, False),
    ({**QUESTION, "fusion": "rrf", "retriever": "hybrid"}, True),
    ({**QUESTION, "fusion": "rrf", "retriever": "bm25"}, False),
    ({**QUESTION, "weights": WEIGHTS, "retriever": "dense"}, False),
    ({**QUESTION, "fusion": None, "retriever": "bm25"}, True),
    ({**QUESTION, "retriever": "rank-bm25"}, False),
    ({**QUESTION, "rerank": True}, False),
    ({**QUESTION, "rerank": False}, True),
    ({**QUESTION, "index": "default"}, True),
    ({**QUESTION, "index": "other"}, False),
    ({**QUESTION, "stream": False}, True),
    ({**QUESTION, "unknown": 1}, False),
]

EXPLANATIONS: list[tuple[dict[str, object], bool]] = [
    (QUESTION, True),
    ({**QUESTION, "rank": 1}, True),
    ({**QUESTION, "passage_id": "p1"}, True),
    ({**QUESTION, "passage_id": "p1", "rank": None}, True),
    ({**QUESTION, "passage_id": None, "rank": None}, True),
    ({**QUESTION, "passage_id": "p1", "rank": 1}, False),
    ({**QUESTION, "rank": 0}, False),
    ({"question": None}, False),
]


def is_described(document: dict[str, Any], name: str, body: object) -> bool:
    """Return whether a body is what the document says that a request is."""
    schema = {**document["components"]["schemas"][name], "components": document["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(body))


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    openapi: dict[str, Any] = client.get("/openapi.json").json()
    return openapi


@pytest.mark.parametrize(("body", "is_good"), QUERIES)
def test_the_document_takes_the_queries_that_the_server_takes(
    client: TestClient, document: dict[str, Any], body: dict[str, object], is_good: bool
) -> None:
    assert is_described(document, "QueryRequest", body) is is_good
    assert (client.post("/v1/query", json=body).status_code == 200) is is_good


@pytest.mark.parametrize(("body", "is_good"), EXPLANATIONS)
def test_the_document_takes_the_explanations_that_the_server_takes(
    client: TestClient, document: dict[str, Any], body: dict[str, object], is_good: bool
) -> None:
    assert is_described(document, "ExplainRequest", body) is is_good
    refused = client.post("/v1/explain", json={**body, "retriever": "bm25"}).status_code == 422
    assert refused is not is_good


@pytest.mark.parametrize(
    ("name", "requests"),
    [
        ("RetrieveRequest", examples.RETRIEVE_REQUESTS),
        ("QueryRequest", examples.QUERY_REQUESTS),
        ("ExplainRequest", examples.EXPLAIN_REQUESTS),
        ("EmbeddingsRequest", examples.EMBEDDINGS_REQUESTS),
    ],
)
def test_the_examples_are_described(document: dict[str, Any], name: str, requests: dict[str, Any]) -> None:
    assert all(is_described(document, name, example["value"]) for example in requests.values())


def test_the_document_follows_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeIndex, "names", (*FakeIndex.names, "rank-bm25"))
    with serving(lambda: fake_qa(FakeReader()), retriever_default="bm25", rank_bm25=True, rerank="any") as client:
        document = client.get("/openapi.json").json()
        for body, is_good in [
            ({**QUESTION, "fusion": "rrf"}, False),
            ({**QUESTION, "fusion": "rrf", "retriever": "hybrid"}, True),
            ({**QUESTION, "retriever": "rank-bm25"}, True),
            ({**QUESTION, "rerank": True}, True),
        ]:
            assert is_described(document, "QueryRequest", body) is is_good


def test_only_a_server_with_keys_asks_for_one(document: dict[str, Any]) -> None:
    assert "securitySchemes" not in document["components"]
    assert not any("security" in operation for path in document["paths"].values() for operation in path.values())
    assert "rank-bm25" not in served(RETRIEVERS, settings_of())


def test_the_document_offers_the_retrievers_that_an_index_has(client: TestClient, document: dict[str, Any]) -> None:
    def offered(name: str) -> list[str]:
        choices: list[str] = document["components"]["schemas"][name]["properties"]["retriever"]["anyOf"][0]["enum"]
        return choices

    for name in RETRIEVERS:
        is_taken = client.post("/v1/retrieve", json={**QUESTION, "retriever": name}).status_code == 200
        assert all((name in offered(request)) is is_taken for request in ("RetrieveRequest", "QueryRequest"))
    assert not {"splade", "colbert", "rank-bm25"} & set(offered("QueryRequest"))


def test_each_index_is_described_with_its_own_retrievers(document: dict[str, Any]) -> None:
    settings = settings_of()
    add_rules(document := deepcopy(document), settings, {"default": ["bm25", "hybrid"], "sparse": ["bm25", "tfidf"]})
    document["components"]["schemas"]["QueryRequest"]["properties"]["index"] = {}
    for body, is_good in [
        (QUESTION, True),
        ({**QUESTION, "retriever": "hybrid"}, True),
        ({**QUESTION, "retriever": "tfidf"}, False),
        ({**QUESTION, "index": "sparse"}, True),
        ({**QUESTION, "fusion": "rrf"}, True),
        ({**QUESTION, "index": "sparse", "fusion": "rrf"}, False),
        ({**QUESTION, "index": "sparse", "retriever": "tfidf"}, True),
        ({**QUESTION, "index": "sparse", "retriever": "hybrid"}, False),
        ({**QUESTION, "index": None, "retriever": "hybrid"}, True),
        ({**QUESTION, "retriever": "dense"}, False),
    ]:
        assert is_described(document, "QueryRequest", body) is is_good, body


def test_a_default_that_an_index_lacks_is_asked_for_by_name(document: dict[str, Any]) -> None:
    settings = settings_of(retriever_default="hybrid")
    add_rules(document := deepcopy(document), settings, {"default": ["bm25", "hybrid"], "sparse": ["bm25"]})
    document["components"]["schemas"]["QueryRequest"]["properties"]["index"] = {}
    assert is_described(document, "QueryRequest", QUESTION)
    assert not is_described(document, "QueryRequest", {**QUESTION, "index": "sparse"})


def test_the_document_of_a_server_that_is_not_ready_offers_all() -> None:
    with serving(lambda: fake_qa(FakeReader()), ready=False) as client:
        schema = client.get("/openapi.json").json()["components"]["schemas"]["QueryRequest"]
        assert "bm25" in schema["properties"]["retriever"]["anyOf"][0]["enum"]
