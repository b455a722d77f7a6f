"""What is decided before a request is computed: host names, bodies, costs, deadlines; and what the log may grow by."""

from __future__ import annotations

import gzip
import json
import logging
from types import ModuleType
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from dpr.errors import IndexFormatError
from service.bodies import BoundedRoute
from service.errors import without_folders
from service.log_limit import LineLimit
from service.routes import explain, indexes, ops, query
from service.security.headers import SECURITY_HEADERS
from service.security.hosts import hosts_of
from tests.service.fakes import FakeReader, fake_qa, serving, settings_of
from tests.service.test_engine import wait_for
from tests.service.test_errors import QUESTION, error_of, post


@pytest.mark.parametrize("host", ["127.0.0.1:80", "[::1]:80", "localhost", "me.localhost", "service", "10.0.0.7:8000"])
def test_a_local_server_answers_to_addresses_and_to_names_without_a_dot(client: TestClient, host: str) -> None:
    assert client.get("/livez", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "EVIL.example."])
def test_a_local_server_answers_to_no_other_name(client: TestClient, host: str) -> None:
    refused = client.get("/livez", headers={"host": host})
    error_of(refused, 421, "host_not_allowed")
    assert {name: refused.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize("path", ["/v1/retrieve", "/v1/query", "/v1/explain", "/v1/embeddings"])
def test_an_index_in_the_address_is_not_passed_over(client: TestClient, path: str) -> None:
    body = {"input": "x", "model": "hash-encoder"} if path == "/v1/embeddings" else QUESTION
    refused = post(client, f"{path}?index=default", body)
    error_of(refused, 422, "unknown_field", "index")


@pytest.mark.parametrize(
    ("path", "name", "takes"),
    [
        ("/v1/facets?filter=year", "filter", "takes index and limit in its address; leave out the rest"),
        ("/v1/indexes?limit=1", "limit", "takes no parameters in its address; leave out the rest"),
        ("/v1/info?index=default", "index", "/v1/info takes no parameters in its address"),
        ("/v1/jobs?page=2", "page", "takes index and limit in its address"),
        ("/v1/jobs/x?wait=1", "wait", "takes index in its address"),
        (f"/v1/indexes?{'x' * 100}=1", "x" * 80, "no parameters"),
        ("/v1/indexes?=1", '""', "no parameters"),
        ("/v1/facets?limit=1&limit=2&%66ilter=1&filter=2", "filter", "takes index and limit"),
    ],
)
def test_a_parameter_that_a_path_does_not_take_is_not_passed_over(
    client: TestClient, path: str, name: str, takes: str
) -> None:
    assert takes in error_of(client.get(path), 422, "unknown_field", name)


def test_a_parameter_that_belongs_into_the_body_is_told_so(client: TestClient) -> None:
    message = error_of(post(client, "/v1/retrieve?k=3", QUESTION), 422, "unknown_field", "k")
    assert message == "/v1/retrieve takes no parameters in its address; send the rest in the body"
    assert client.post("/v1/documents?index=default&dry=1", content="{}").json()["error"]["field"] == "dry"


@pytest.mark.parametrize("path", ["/v1/facets?limit=1&limit=2", "/v1/facets?limit=1&index=default&%6cimit=2"])
def test_a_parameter_that_is_there_twice_is_not_passed_over(client: TestClient, path: str) -> None:
    message = error_of(client.get(path), 422, "invalid_request", "limit")
    assert message == "/v1/facets takes limit once, and it is there 2 times; send one"


@pytest.mark.parametrize(
    ("parameter", "code", "message"),
    [
        ("limit=x", "wrong_type", "limit is 'x'; send a whole number"),
        ("limit", "wrong_type", "limit is ''; send a whole number"),
        ("limit=" + "9" * 5_000, "out_of_range", "limit has too many digits; send a smaller number"),
        ("index=", "too_short", "index is empty; send at least one character"),
    ],
)
def test_a_parameter_is_refused_in_the_words_of_a_field(
    client: TestClient, parameter: str, code: str, message: str
) -> None:
    name = parameter.partition("=")[0]
    assert error_of(client.get(f"/v1/facets?{parameter}"), 422, code, name) == message


def test_a_packed_body_is_refused_by_its_cause(client: TestClient) -> None:
    packed = {"content-encoding": "gzip", "content-type": "application/json"}
    body = gzip.compress(json.dumps(QUESTION).encode())
    error_of(client.post("/v1/retrieve", content=body, headers=packed), 415, "body_encoded")
    assert post(client, "/v1/retrieve", QUESTION).status_code == 200


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({}, {"127.0.0.1"}),
        ({"host": "0.0.0.0"}, {"*"}),  # noqa: S104 - nothing listens
        ({"host": "0.0.0.0", "published_address": "127.0.0.1"}, {"127.0.0.1"}),  # noqa: S104
        ({"allowed_hosts": "search.example.org, *"}, {"search.example.org", "*"}),
    ],
)
def test_hosts_are_those_listed_or_follow_from_the_address(given: dict[str, Any], hosts: set[str]) -> None:
    assert hosts_of(settings_of(**given)) == hosts


def test_listed_hosts_are_let_through() -> None:
    with serving(fake_qa, allowed_hosts="Search.Example.org") as client:
        assert client.get("/livez", headers={"host": "search.example.org:443"}).status_code == 200
        error_of(client.get("/livez", headers={"host": "evil.example"}), 421, "host_not_allowed")


def test_a_body_of_many_unknown_names_gets_one_sentence(client: TestClient) -> None:
    body = {**QUESTION, **{f"name{number}": 0 for number in range(40_000)}}
    error_of(post(client, "/v1/retrieve", body), 422, "unknown_field", "name0")


@pytest.mark.parametrize("module", [explain, indexes, ops, query])
def test_every_route_with_a_body_is_bounded(module: ModuleType) -> None:
    routes = [route for route in module.router.routes if isinstance(route, APIRoute) and route.body_field]
    assert [route.path for route in routes if not isinstance(route, BoundedRoute)] == []
    assert routes or module not in (explain, query)


def test_a_large_body_is_parsed_like_a_small_one(client: TestClient) -> None:
    questions = ["Who created Hangul? " + "x" * 900] * 64
    assert len(post(client, "/v1/retrieve", {"questions": questions}).json()["results"]) == 64
    content = json.dumps({"questions": questions}).encode()[:-1]
    response = client.post("/v1/retrieve", content=content, headers={"content-type": "application/json"})
    error_of(response, 400, "invalid_json", response.json()["error"]["field"])


def test_a_path_with_a_slash_too_many_is_not_redirected(client: TestClient) -> None:
    response = client.post("/v1/query/", json=QUESTION, follow_redirects=False)
    error_of(response, 404, "not_found")


def test_a_head_request_is_a_get_without_a_body(client: TestClient) -> None:
    for path in ("/livez", "/readyz", "/v1/info"):
        response = client.head(path)
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-length"] == str(len(client.get(path).content))
    assert client.head("/v1/query").status_code == 405


def test_questions_times_k_have_a_limit() -> None:
    with serving(lambda: fake_qa(FakeReader()), max_passages=20) as client:
        assert post(client, "/v1/query", {"questions": ["a", "b"], "k": 10}).status_code == 200
        message = error_of(post(client, "/v1/query", {"questions": ["a", "b"], "k": 11}), 422, "too_costly")
        assert "22 passages, over the limit of 20" in message
        assert client.get("/v1/info").json()["limits"]["passages"] == 20


@pytest.mark.parametrize("wish", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_wish_for_a_deadline_is_a_number_of_seconds(client: TestClient, wish: str) -> None:
    response = client.post("/v1/query", json=QUESTION, headers={"x-request-timeout": wish})
    error_of(response, 422, "invalid_request", "X-Request-Timeout")


def test_a_wish_for_a_deadline_in_time_changes_nothing(client: TestClient) -> None:
    assert client.post("/v1/query", json=QUESTION, headers={"x-request-timeout": "1e9"}).status_code == 200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("there is no index at /srv/indexes/wiki; build one", "there is no index at …/wiki; build one"),
        ("'/a/b.bin' is damaged", "'…/b.bin' is damaged"),
        ("cannot read /idx", "cannot read …/idx"),
        ("ask /v1/retrieve, see /docs and /openapi.json", "ask /v1/retrieve, see /docs and /openapi.json"),
        ("the generator http://127.0.0.1:8/v1 failed", "the generator http://127.0.0.1:8/v1 failed"),
        ("a/b and 1 / 2", "a/b and 1 / 2"),
    ],
)
def test_a_path_of_the_disk_is_not_told(text: str, told: str) -> None:
    assert without_folders(text) == told


def test_an_error_names_no_folder() -> None:
    def failing_load() -> Any:
        raise IndexFormatError("there is no index at /srv/secret/wiki; build one")

    with serving(failing_load, ready=False) as client:
        wait_for(lambda: "could not start" in client.get("/readyz").json()["error"]["message"])
        assert "/srv" not in client.get("/readyz").text


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("service", level, __file__, 1, message, (), None)


def test_the_log_has_so_many_lines_a_second_and_tells_how_many_it_left_out() -> None:
    now = 0.0
    limit = LineLimit(rate=2, burst=3, clock=lambda: now)
    assert [limit.filter(record("line")) for _ in range(5)] == [True, True, True, False, False]
    assert limit.filter(record("an error", logging.ERROR))
    now = 0.5
    line = record("line")
    assert limit.filter(line)
    assert line.getMessage() == "line (2 lines before this one were left out)"
    assert not limit.filter(record("line"))
    now = 100.0
    assert [limit.filter(record("line")) for _ in range(4)] == [True, True, True, False]
