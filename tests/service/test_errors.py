"""What bad requests get: one shape, one sentence, never a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dpr.errors import DPRError, IndexFormatError, MissingDependencyError, ModelError
from tests.service.fakes import FakeReader, fake_qa, serving

SENTENCE = re.compile(r"[^\n]{10,300}")
QUESTION = {"question": "Who created Hangul?"}

BAD_BODIES: list[tuple[object, str, str | None]] = [
    ({}, "question_missing", None),
    ({"question": None}, "question_missing", None),
    ({**QUESTION, "questions": ["x"]}, "question_ambiguous", None),
    ({"question": ""}, "question_empty", "question"),
    ({"question": " \t\n　"}, "question_empty", "question"),
    ({"question": "x" * 1001}, "question_too_long", "question"),
    ({"question": "가" * 1001}, "question_too_long", "question"),
    ({"question": "what\0?"}, "question_invalid_character", "question"),
    ({"question": "what\ud800?"}, "question_invalid_character", "question"),
    ({"questions": ["fine", "\udfff"]}, "question_invalid_character", "questions[1]"),
    ({"question": 7}, "wrong_type", "question"),
    ({"question": ["x"]}, "wrong_type", "question"),
    ({"questions": []}, "too_few", "questions"),
    ({"questions": ["x"] * 65}, "too_many", "questions"),
    ({"questions": "x"}, "wrong_type", "questions"),
    ({"questions": ["fine", ""]}, "question_empty", "questions[1]"),
    ({"questions": ["fine", None]}, "wrong_type", "questions[1]"),
    ({**QUESTION, "k": 0}, "out_of_range", "k"),
    ({**QUESTION, "k": -1}, "out_of_range", "k"),
    ({**QUESTION, "k": 101}, "out_of_range", "k"),
    ({**QUESTION, "k": 10**400}, "out_of_range", "k"),
    ({**QUESTION, "k": "5"}, "wrong_type", "k"),
    ({**QUESTION, "k": 5.5}, "wrong_type", "k"),
    ({**QUESTION, "k": 0.0}, "out_of_range", "k"),
    ({**QUESTION, "k": float("inf")}, "wrong_type", "k"),
    ({**QUESTION, "k": True}, "wrong_type", "k"),
    ({**QUESTION, "k": float("nan")}, "wrong_type", "k"),
    ({**QUESTION, "retriever": "bm26"}, "unknown_retriever", "retriever"),
    ({**QUESTION, "retriever": "\ud800"}, "not_text", "retriever"),
    ({**QUESTION, "retriever": "tfidf"}, "invalid_request", "retriever"),
    ({**QUESTION, "fusion": "sum"}, "unknown_fusion", "fusion"),
    ({**QUESTION, "fusion": "rrf", "retriever": "bm25"}, "invalid_request", "fusion"),
    ({**QUESTION, "weights": {"bm25": 1}, "retriever": "bm25"}, "invalid_request", "weights"),
    ({**QUESTION, "weights": {"bm25": 1}}, "invalid_request", "weights"),
    ({**QUESTION, "weights": {"bm25": 0, "dense": 0}}, "invalid_request", "weights"),
    ({**QUESTION, "weights": {"bm25": 1, "dense": 1, "\ud800": 1}}, "not_text", "weights.\ufffd\ufffd\ufffd"),
    ({**QUESTION, "weights": {"bm25": -1, "dense": 1}}, "out_of_range", "weights.bm25"),
    ({**QUESTION, "weights": {"bm25": float("nan"), "dense": 1}}, "out_of_range", "weights.bm25"),
    ({**QUESTION, "weights": {"bm25": float("inf"), "dense": 1}}, "out_of_range", "weights.bm25"),
    ({**QUESTION, "weights": {"bm25": 1e300, "dense": 1}}, "out_of_range", "weights.bm25"),
    ({**QUESTION, "weights": {"bm25": "1", "dense": 1}}, "wrong_type", "weights.bm25"),
    ({**QUESTION, "weights": {str(number): 1 for number in range(9)}}, "too_many", "weights"),
    ({**QUESTION, "weights": {str(number): "x" for number in range(9)}}, "too_many", "weights"),
    ({**QUESTION, "weights": {"x" * 41: 1}}, "too_long", "weights." + "x" * 41),
    ({**QUESTION, "weights": [1, 2]}, "wrong_type", "weights"),
    ({**QUESTION, "question_": 1}, "unknown_field", "question_"),
    ({**QUESTION, "{field}": 1}, "unknown_field", "{field}"),
    ({**QUESTION, "two\nlines": 1}, "unknown_field", "two\\nlines"),
    ({**QUESTION, "": 1}, "unknown_field", '""'),
    ({**QUESTION, "x" * 500: 1}, "unknown_field", "x" * 80),
    ({**QUESTION, "\ud800": 1}, "not_text", None),
    ([], "wrong_type", None),
    ("question", "wrong_type", None),
    (None, "wrong_type", None),
    (7, "wrong_type", None),
]

BAD_BYTES: list[tuple[bytes, int, str]] = [
    (b"", 422, "missing_field"),
    (b"{", 400, "invalid_json"),
    (b'{"question": "x",}', 400, "invalid_json"),
    (b'{"question": "\xff\xfe"}', 400, "invalid_json"),
    ('{"question": "x"}'.encode("utf-16"), 200, ""),
    (b"[" * 100_000, 400, "invalid_json"),
    (b'{"question": "x", "k": ' + b"9" * 5_000 + b"}", 400, "invalid_json"),
    (b'{"question": "x", "k": NaN}', 422, "wrong_type"),
    (b'{"question": "x", "k": 1e400}', 422, "wrong_type"),
    (b'{"question": "\\ud83d"}', 422, "question_invalid_character"),
    (b'{"question": "tab\there"}', 400, "invalid_json"),
]


def error_of(response: Any, status: int, code: str, field: str | None = None) -> str:
    """Check an error's shape and return its message."""
    assert response.status_code == status, response.text
    assert response.headers["x-request-id"]
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "field"}
    assert (body["error"]["code"], body["error"]["field"]) == (code, field)
    message: str = body["error"]["message"]
    assert SENTENCE.fullmatch(message), message
    assert "Traceback" not in message
    return message


def post(client: TestClient, path: str, body: object) -> Any:
    # Not the client's own encoder: it refuses lone surrogates and NaN, which the wire does not.
    return client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})


@pytest.mark.parametrize("path", ["/v1/retrieve", "/v1/query"])
@pytest.mark.parametrize(("body", "code", "field"), BAD_BODIES)
def test_a_bad_body_gets_one_sentence(
    client: TestClient, path: str, body: object, code: str, field: str | None
) -> None:
    error_of(post(client, path, body), 422, code, field)


@pytest.mark.parametrize("n_best", [0, 21, "1", 1.5, None])
def test_n_best_has_a_range(client: TestClient, n_best: object) -> None:
    code = "out_of_range" if type(n_best) is int else "wrong_type"
    error_of(post(client, "/v1/query", {**QUESTION, "n_best": n_best}), 422, code, "n_best")


def test_n_best_is_not_for_retrieval(client: TestClient) -> None:
    error_of(post(client, "/v1/retrieve", {**QUESTION, "n_best": 1}), 422, "unknown_field", "n_best")


@pytest.mark.parametrize(("content", "status", "code"), BAD_BYTES)
def test_bytes_that_are_not_json(client: TestClient, content: bytes, status: int, code: str) -> None:
    response = client.post("/v1/retrieve", content=content, headers={"content-type": "application/json"})
    if status == 200:
        assert response.status_code == 200, response.text
    else:
        field = response.json()["error"]["field"]
        error_of(response, status, code, field)


def test_the_limits_themselves_are_good(client: TestClient) -> None:
    questions = ["가" * 1000] * 64
    assert post(client, "/v1/query", {"questions": questions, "k": 100, "n_best": 20}).status_code == 200


def test_a_body_of_another_type_is_told_how(client: TestClient) -> None:
    response = client.post("/v1/retrieve", content=b'{"question": "x"}', headers={"content-type": "text/plain"})
    told = error_of(response, 422, "wrong_type")
    assert told == "the body was not sent as JSON; add the header Content-Type: application/json"
    assert "the body is a list, not a JSON object; send one" in error_of(
        post(client, "/v1/retrieve", [1]), 422, "wrong_type"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"k": 0}, "k is 0; it must be at least 1"),
        ({"k": 101}, "k is 101; it must be at most 100"),
        ({"k": 10**60}, f"k is 1{'0' * 39}…; it must be at most 100"),
        ({"weights": {"bm25": -0.5, "dense": 1}}, "weights.bm25 is -0.5; it must be at least 0"),
        ({"weights": {"b" * 41: 1}}, "has 41 characters, over the limit of 40; shorten it"),
        ({"weights": {f"list{number}": 1 for number in range(9)}}, "has 9 entries, over the limit of 8; send fewer"),
        ({"k": "5"}, "k is '5'; send a whole number"),
        ({"question": None, "questions": {}}, "questions is an object; send a list"),
        ({"rerank": ["yes"]}, "rerank is a list; send true or false"),
        ({"filter": "year = 1"}, """filter is 'year = 1', not a JSON object; send one, such as {"field": "year","""),
        ({"fusion": "x" * 99}, f"there is no fusion '{'x' * 39}…; choose"),
    ],
)
def test_a_limit_names_the_value_that_breaks_it(client: TestClient, fields: dict[str, object], message: str) -> None:
    response = post(client, "/v1/retrieve", {**QUESTION, **fields})
    assert response.status_code == 422
    assert message in response.json()["error"]["message"]


def test_an_unknown_choice_is_told_with_those_that_there_are(client: TestClient) -> None:
    response = post(client, "/v1/retrieve", {**QUESTION, "retriever": "bm26"})
    told = error_of(response, 422, "unknown_retriever", "retriever")
    assert told.startswith("there is no retriever 'bm26'; choose 'dense', 'bm25'")


def test_not_found_and_not_allowed(client: TestClient) -> None:
    assert "/v1/nothing" in error_of(client.get("/v1/nothing"), 404, "not_found")
    error_of(client.get("/{path}/%0a%ff"), 404, "not_found")
    response = client.get("/v1/query")
    error_of(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("announced", [True, False])
def test_a_huge_body_is_refused(client: TestClient, announced: bool) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(300):
            yield b" " * 8192

    content: Any = b"".join(chunks()) if announced else chunks()
    response = client.post("/v1/retrieve", content=content, headers={"content-type": "application/json"})
    assert "1,048,576 bytes" in error_of(response, 413, "body_too_large")


@pytest.mark.parametrize("length", ["9" * 5000, "99999999", "²", "-1", "x"])
def test_an_odd_content_length_is_no_accident(client: TestClient, length: str) -> None:
    headers = {b"content-type": b"application/json", b"content-length": length.encode("latin-1")}
    response = client.post("/v1/retrieve", content=json.dumps(QUESTION), headers=headers)
    assert response.status_code in (200, 413)


def test_a_server_without_a_reader_says_so() -> None:
    with serving(fake_qa) as client:
        assert "/v1/retrieve" in error_of(post(client, "/v1/query", QUESTION), 422, "no_reader")
        assert post(client, "/v1/retrieve", QUESTION).status_code == 200


@pytest.mark.parametrize(
    "error",
    [
        IndexFormatError("the file is damaged"),
        ModelError("no such model"),
        MissingDependencyError("faiss is not installed"),
    ],
)
def test_our_own_failures_are_told_and_logged(error: DPRError, caplog: pytest.LogCaptureFixture) -> None:
    reader = FakeReader()
    with serving(lambda: fake_qa(reader)) as client:
        reader.wait = _raise(error)
        assert error_of(post(client, "/v1/query", QUESTION), 500, "internal_error") == str(error)
    assert str(error) in caplog.text


def test_the_unexpected_is_told_without_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    reader = FakeReader()
    with serving(lambda: fake_qa(reader)) as client:
        reader.wait = _raise(ZeroDivisionError("secret"))
        response = post(client, "/v1/query", QUESTION)
        message = error_of(response, 500, "internal_error")
        assert post(client, "/v1/retrieve", QUESTION).status_code == 200
    assert response.headers["x-request-id"] in message
    assert "secret" not in message
    assert response.headers["x-request-id"] in caplog.text


def _raise(error: Exception) -> Callable[[], object]:
    def wait() -> None:
        raise error

    return wait


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=8), children, max_size=5),
    max_leaves=8,
)
names = st.sampled_from(["question", "questions", "retriever", "fusion", "weights", "k", "n_best"])
bodies = st.dictionaries(names | st.text(st.characters(codec=None), max_size=8), json_values, max_size=5) | json_values


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, path=st.sampled_from(["/v1/retrieve", "/v1/query"]))
def test_no_json_body_is_an_accident(client: TestClient, body: object, path: str) -> None:
    response = post(client, path, body)
    if response.status_code != 200:
        error = response.json()["error"]
        error_of(response, 422, error["code"], error["field"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_no_bytes_are_an_accident(client: TestClient, content: bytes) -> None:
    response = client.post("/v1/query", content=content, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422), response.text
    error_of(response, response.status_code, response.json()["error"]["code"], response.json()["error"]["field"])
