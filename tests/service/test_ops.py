"""What operators and client writers look at."""

from __future__ import annotations

import logging
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from dpr import __version__
from dpr.search.fusion import METHODS, MISSING_RULES
from service import examples, schemas
from service import status as status_module
from service.explanation import ExplainResponse
from service.requests import ExplainRequest
from tests.service.fakes import PASSAGES, FakeReader, fake_qa, serving


@pytest.fixture(scope="module")
def openapi(client: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def test_info_tells_what_is_served(client: TestClient) -> None:
    info = client.get("/v1/info").json()
    assert info["version"] == __version__
    assert (info["generation"], info["passages"]) == ("000001", len(PASSAGES))
    assert info["encoder"] == {"name": "hash-encoder", "fingerprint": "hash-1", "dimension": 32}
    assert info["analyzer"] == {"name": "words", "version": "1"}
    assert info["retrievers"] == ["dense", "bm25", "hybrid"]
    assert (info["retriever_default"], info["reader"], info["generator"]) == ("hybrid", "fake-reader", None)
    assert info["fusions"] == MISSING_RULES
    assert info["limits"]["question_characters"] == 1_000
    assert info["limits"]["body_bytes"] == 1_048_576


def test_info_without_a_reader() -> None:
    with serving(fake_qa) as client:
        assert client.get("/v1/info").json()["reader"] is None


def test_the_root_points_to_the_documentation(client: TestClient) -> None:
    welcome = client.get("/").json()
    assert client.get(welcome["openapi"]).status_code == 200
    assert client.get(welcome["documentation"]).status_code == 200


def test_the_methods_of_the_schema_are_those_of_fusion() -> None:
    assert set(get_args(schemas.FusionMethod)) == set(METHODS)


@pytest.mark.parametrize("path", ["/v1/retrieve", "/v1/query"])
def test_questions_are_documented(openapi: dict[str, Any], path: str) -> None:
    operation = openapi["paths"][path]["post"]
    assert operation["summary"]
    assert operation["description"]
    generator = {"502"} if path == "/v1/query" else set()
    common = {"200", "400", "401", "403", "404", "413", "422", "429", "500", "503", "504"}
    assert set(operation["responses"]) == {*common, *generator}
    for status, response in operation["responses"].items():
        content = response["content"]["application/json"]
        assert content["example"], status
        if status != "200":
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
    assert operation["requestBody"]["content"]["application/json"]["examples"]


def test_every_operation_has_a_summary_and_no_other_error_shape(openapi: dict[str, Any]) -> None:
    assert all(operation["summary"] for path in openapi["paths"].values() for operation in path.values())
    assert "HTTPValidationError" not in openapi["components"]["schemas"]


def test_the_limits_are_in_the_schema(openapi: dict[str, Any]) -> None:
    properties = openapi["components"]["schemas"]["QueryRequest"]["properties"]
    assert (properties["k"]["minimum"], properties["k"]["maximum"], properties["k"]["default"]) == (1, 100, 10)
    assert properties["n_best"]["maximum"] == 20
    [question, _] = properties["question"]["anyOf"]
    assert question["maxLength"] == 1_000
    [questions, _] = properties["questions"]["anyOf"]
    assert (questions["minItems"], questions["maxItems"]) == (1, 64)


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (schemas.RetrieveResponse, examples.RETRIEVE_RESPONSE),
        (schemas.QueryResponse, examples.QUERY_RESPONSE),
        (ExplainResponse, examples.EXPLAIN_RESPONSE),
        *((ExplainRequest, example["value"]) for example in examples.EXPLAIN_REQUESTS.values()),
        (status_module.InfoResponse, examples.INFO),
        (status_module.IndexesResponse, examples.INDEXES),
        (status_module.ReloadResponse, examples.RELOAD),
        (status_module.AliveResponse, examples.ALIVE),
        (status_module.ReadyResponse, examples.READY),
        *((schemas.RetrieveRequest, example["value"]) for example in examples.RETRIEVE_REQUESTS.values()),
        *((schemas.QueryRequest, example["value"]) for example in examples.QUERY_REQUESTS.values()),
    ],
)
def test_the_examples_fit_their_schemas(model: type[BaseModel], example: dict[str, Any]) -> None:
    assert model.model_validate(example).model_dump(mode="json", include=set(example)) == example


def test_the_example_answer_is_a_span_of_its_passage() -> None:
    [result] = examples.QUERY_RESPONSE["results"]
    [answer], [passage] = result["answers"], result["evidence"]
    assert passage["text"][answer["start"] : answer["end"]] == answer["text"]
    assert passage["end"] == len(passage["text"])


def test_a_request_id_is_made_returned_and_logged(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "service.telemetry.middleware"):
        first, second = (client.get("/v1/info").headers["x-request-id"] for _ in range(2))
    assert first != second
    assert "'/v1/info' 200" in caplog.text
    assert first in caplog.text


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_health_check_is_logged_for_debugging_alone(
    client: TestClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.DEBUG, "service.telemetry.middleware"):
        client.get(path)
    assert [record.levelname for record in caplog.records if record.name == "service.telemetry.middleware"] == ["DEBUG"]


@pytest.mark.parametrize(("given", "kept"), [("order-66.a_b:c", True), ("x" * 65, False), ("two words", False)])
def test_a_good_request_id_is_kept(client: TestClient, given: str, kept: bool) -> None:
    returned = client.get("/v1/nothing", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert (returned == given) is kept


def test_a_path_cannot_forge_a_log_line(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "service.telemetry.middleware"):
        client.get("/a%0aERROR forged")
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_the_retrievers_of_the_schema_have_one_list(openapi: dict[str, Any]) -> None:
    documented = openapi["components"]["schemas"]["RetrieveRequest"]["properties"]["retriever"]["anyOf"][0]["enum"]
    assert documented == ["dense", "bm25", "hybrid"]  # those that the served index has


def test_info_names_a_reader_without_its_folder() -> None:
    reader = FakeReader()
    reader.name = "/models/reader"
    with serving(lambda: fake_qa(reader)) as client:
        assert client.get("/v1/info").json()["reader"] == "reader"
