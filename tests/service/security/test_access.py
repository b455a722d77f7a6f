"""Who is let in: keys, scopes, rotation, rates, origins, and headers on every response."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.errors import install_error_handlers
from service.security.headers import SECURITY_HEADERS
from service.security.install import security_middleware
from service.security.keyring import KeyRing
from service.security.refusals import UnauthorizedError
from service.security.scopes import is_open, requires
from tests.service.fakes import FakeReader, fake_qa, serving, settings_of
from tests.service.security.test_keys import add

QUESTION = {"question": "Who created Hangul?"}


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def keys(keys_file: Path) -> dict[str, str]:
    return {scope: add(keys_file, scope, scope) for scope in ("read", "write", "admin")}


@pytest.fixture(scope="module")
def guarded(keys_file: Path, keys: dict[str, str]) -> Iterator[TestClient]:
    with serving(lambda: fake_qa(FakeReader()), keys_file=keys_file) as client:
        yield client


@pytest.fixture(scope="module")
def scoped(keys_file: Path, keys: dict[str, str]) -> TestClient:
    """Serve a route of each scope."""
    settings = settings_of(keys_file=keys_file)
    app = FastAPI(middleware=security_middleware(settings))
    install_error_handlers(app, settings.retry_after_s)
    for scope in ("read", "write", "admin"):
        app.add_api_route(f"/{scope}", lambda: "done", methods=["POST"], dependencies=[requires(scope)])
    return TestClient(app)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def code_of(response: httpx.Response) -> str:
    code: str = response.json()["error"]["code"]
    return code


def test_without_a_key_nothing_but_probes_and_documentation_is_shown(guarded: TestClient) -> None:
    for path in (
        "/v1/info",
        "/v1/query",
        "/v1/nothing",
        "/metrics",
        "/livez/",
        "/docs/../v1/info",
        "/LIVEZ",
    ):
        refused = guarded.get(path)
        assert (refused.status_code, code_of(refused)) == (401, "unauthorized"), path
        assert refused.headers["www-authenticate"] == "Bearer"
    for path in ("/", "/livez", "/readyz", "/docs", "/openapi.json"):
        assert guarded.get(path).status_code == 200, path


def test_a_key_lets_in(guarded: TestClient, keys: dict[str, str]) -> None:
    assert guarded.post("/v1/query", json=QUESTION, headers=bearer(keys["read"])).status_code == 200
    assert guarded.post("/v1/query", json=QUESTION, headers={"authorization": f"bearer {keys['read']}"}).is_success


def test_a_wrong_key_is_refused_like_an_unknown_one(guarded: TestClient, keys: dict[str, str]) -> None:
    key = keys["read"]
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    unknown = f"dpr_{'0' * 12}_{key.rpartition('_')[2]}"
    swapped = keys["write"][:17] + key[17:]
    answers = {
        guarded.get("/v1/info", headers=bearer(wrong)).text for wrong in (other, unknown, swapped, "x", "0" * 64)
    }
    assert len(answers) == 1
    assert guarded.get("/v1/info", headers=bearer(other)).status_code == 401


@pytest.mark.parametrize(
    "value",
    [b"", b"Bearer", b"Bearer ", b"Basic dTpw", b"Bearer KEY,KEY", b"Bearer\tKEY", b"Token KEY", b"KEY",
     b"Bearer KEY KEY", b"Bearer \xff\xfe", b"Bearer K\xc3\xa9", b"Bearer " + b"a" * 20_000],
)  # fmt: skip
def test_odd_headers_are_refused(guarded: TestClient, keys: dict[str, str], value: bytes) -> None:
    value = value.replace(b"KEY", keys["admin"].encode())
    refused = guarded.get("/v1/info", headers=[(b"authorization", value)])
    assert (refused.status_code, code_of(refused)) == (401, "unauthorized")


@pytest.mark.parametrize("value", ["Bearer  KEY", " BEARER KEY \t", "bearer KEY"])
def test_blanks_and_the_case_of_the_scheme_do_not_matter(keys_file: Path, keys: dict[str, str], value: str) -> None:
    """As RFC 9110 says; some servers hand on the blanks at the end of a field."""
    assert KeyRing(keys_file).record_of([value.replace("KEY", keys["read"])]).name == "read"


def test_two_keys_are_refused(guarded: TestClient, keys: dict[str, str]) -> None:
    twice = [("authorization", f"Bearer {keys['read']}"), ("authorization", f"Bearer {keys['admin']}")]
    assert guarded.get("/v1/info", headers=twice).status_code == 401
    assert guarded.get("/v1/info", params={"key": keys["read"], "authorization": "Bearer x"}).status_code == 401


def test_the_body_of_a_stranger_is_not_read_first(guarded: TestClient) -> None:
    refused = guarded.post("/v1/query", content=b"{" * 2_000_000)
    assert (refused.status_code, refused.headers["connection"]) == (401, "close")


@pytest.mark.parametrize(
    ("key", "route", "status"),
    [
        ("read", "read", 200),
        ("read", "write", 403),
        ("read", "admin", 403),
        ("write", "read", 200),
        ("write", "write", 200),
        ("write", "admin", 403),
        ("admin", "read", 200),
        ("admin", "write", 200),
        ("admin", "admin", 200),
    ],
)
def test_a_scope_includes_the_lower_ones(
    scoped: TestClient, keys: dict[str, str], key: str, route: str, status: int
) -> None:
    response = scoped.post(f"/{route}", headers=bearer(keys[key]))
    assert response.status_code == status
    if status == 403:
        assert code_of(response) == "forbidden"
        assert keys[key] not in response.text


def test_every_route_that_is_not_open_says_its_scope(guarded: TestClient) -> None:
    app = guarded.app
    assert isinstance(app, FastAPI)
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            assert ("security" in operation) is not is_open(path), f"{method} {path}"
            assert is_open(path) or {"401", "403", "429"} <= set(operation["responses"]), f"{method} {path}"


def test_keys_change_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    old = add(path, "old")
    with serving(fake_qa, keys_file=path) as client:

        def ask(key: str) -> int:
            return client.get("/v1/info", headers=bearer(key)).status_code

        assert ask(old) == 200
        new = add(path, "new")
        assert (ask(new), ask(old)) == (200, 200)
        path.write_text(path.read_text(encoding="utf-8").replace('"old"', '"odd"'), encoding="utf-8")
        assert ask(old) == 200
        only_new = tmp_path / "other.json"
        add(only_new, "x")
        os.replace(only_new, path)  # noqa: PTH105
        assert (ask(new), ask(old)) == (401, 401)


def test_a_file_that_is_gone_or_open_to_others_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = add(path, "x")
    with serving(fake_qa, keys_file=path) as client:
        for is_gone in (False, True):
            path.unlink() if is_gone else path.chmod(0o666)
            refused = client.get("/v1/info", headers=bearer(key))
            assert (refused.status_code, code_of(refused)) == (503, "keys_unreadable")
            assert str(tmp_path) not in refused.text
            assert client.get("/livez").status_code == 200
        key = add(path, "y")
        assert client.get("/v1/info", headers=bearer(key)).status_code == 200


def test_hashes_are_compared_in_constant_time_for_known_and_unknown_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = add(tmp_path / "keys.json", "x")
    ring = KeyRing(tmp_path / "keys.json")
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def note(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note)
    for value in (key, f"dpr_{'0' * 12}{key[16:]}", "nonsense"):
        try:
            ring.record_of([f"Bearer {value}"])
        except UnauthorizedError:
            assert value != key
    assert [len(a) == len(b) == 64 for a, b in compared] == [True, True, True]


def test_a_key_that_asks_too_often_waits(tmp_path: Path) -> None:
    slow, fast = (add(tmp_path / "keys.json", name, rate_per_s=rate) for name, rate in (("a", None), ("b", 1000.0)))
    with serving(fake_qa, keys_file=tmp_path / "keys.json", rate_limit_per_s=0.05, rate_limit_burst=3) as client:
        answers = [client.get("/v1/info", headers=bearer(slow)) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert code_of(answers[-1]) == "rate_limited"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        assert client.get("/v1/info", headers=bearer(fast)).status_code == 200
        assert client.get("/readyz", headers=bearer(slow)).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://[", "file://", "", "http://testserver.evil"]
)
def test_pages_of_other_origins_are_refused(client: TestClient, origin: str) -> None:
    refused = client.post("/v1/query", json=QUESTION, headers={"origin": origin})
    assert (refused.status_code, code_of(refused)) == (403, "origin_refused")
    assert "access-control-allow-origin" not in refused.headers


def test_the_page_of_the_server_may_ask(client: TestClient) -> None:
    assert client.post("/v1/query", json=QUESTION, headers={"origin": "http://testserver"}).status_code == 200


def test_a_listed_origin_may_ask(keys_file: Path, keys: dict[str, str]) -> None:
    listed = {"origin": "https://app.example"}
    with serving(fake_qa, keys_file=keys_file, cors_origins="https://app.example, https://b.example") as client:
        preflight = client.options(
            "/v1/query",
            headers={
                **listed,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization",
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        answer = client.get("/v1/info", headers={**listed, **bearer(keys["read"])})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")
        refused = client.get("/v1/info", headers=listed)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.example")
        assert client.get("/v1/info", headers={"origin": "https://c.example"}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("GET", "/livez", {}),
        ("GET", "/nothing", {}),
        ("PUT", "/v1/query", {}),
        ("POST", "/v1/query", {"content": b"{"}),
        ("POST", "/v1/query", {"content": b" " * 2_000_000}),
        ("GET", "/v1/info", {"headers": {"origin": "null"}}),
    ],
)
def test_every_response_has_the_security_headers(
    client: TestClient, method: str, path: str, given: dict[str, Any]
) -> None:
    headers = client.request(method, path, **given).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_an_accident_has_the_security_headers_too() -> None:
    fails = iter([False, True])  # the first reading warms up

    def fail() -> None:
        if next(fails):
            raise RuntimeError("broken")

    with serving(lambda: fake_qa(FakeReader(fail))) as client:
        response = client.post("/v1/query", json=QUESTION)
    assert response.status_code == 500
    assert response.headers["x-content-type-options"] == "nosniff"
