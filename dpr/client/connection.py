"""What both clients make of a connection: addresses, the time of an attempt, and bodies that are no success."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from dpr.client.calls import Call
from dpr.client.failures import failure_of
from dpr.errors import ConfigError, RequestError, ServerError, ServerTimeoutError
from dpr.value_types import kind_of

DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_S = 5.0
LEAST_S = 0.001
LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a call, which ends before ``deadline`` of ``time.monotonic``, ``timeout_s`` after its start."""

    deadline: float
    timeout_s: float

    def request(self, client: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
        """Return the request, which tells the server how long it is waited for.

        Raises:
            RequestError: JSON has no form of its body.
        """
        left_s = max(self.deadline - time.monotonic(), LEAST_S)
        timeout = httpx.Timeout(left_s, connect=min(CONNECT_S, left_s))
        headers = {"X-Request-Timeout": f"{left_s:.3f}"}
        if call.body is None:
            return client.build_request("GET", call.path, headers=headers, timeout=timeout)
        headers["content-type"] = "application/json"
        return client.build_request("POST", call.path, content=_json(call.body), headers=headers, timeout=timeout)

    def check(self) -> None:
        """Refuse to go on after the deadline, however slowly a response trickles in.

        Raises:
            ServerTimeoutError: it has passed.
        """
        if time.monotonic() > self.deadline:
            raise ServerTimeoutError(f"the server did not end its answer within {self.timeout_s:g} s; allow more time")


def _json(body: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, default=_plain).encode()
    except (TypeError, ValueError) as error:  # NaN, half of a surrogate pair
        raise RequestError(f"the request cannot be written as JSON ({error}); give texts and finite numbers") from None


def _plain(value: object) -> object:
    """Return Python's number in place of NumPy's."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{kind_of(value)} is in it")


def opened_address(url: str) -> httpx.URL:
    """Return the address of a service.

    Raises:
        ConfigError: it is none.
    """
    try:
        address = httpx.URL(url.strip())
        host = address.host.encode("idna")  # as the system looks it up
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConfigError(f"the server's address is no URL ({error}); give one such as {DEFAULT_URL}") from None
    if address.scheme not in {"http", "https"} or not host:
        raise ConfigError(f"the server's address {url!r} is no HTTP address; give one such as {DEFAULT_URL}")
    if address.port is not None and not 0 < address.port <= LARGEST_PORT:
        raise ConfigError(f"the server's address has the port {address.port}; give one from 1 to {LARGEST_PORT}")
    return address


def request_id_of(response: httpx.Response) -> str:
    """Return the id by which the server's log knows the request."""
    return str(response.headers.get("x-request-id", ""))


def body_of(response: httpx.Response, body: bytes) -> Any:
    """Return the JSON of a response.

    Raises:
        ServerError: it is none.
    """
    try:
        return json.loads(body)
    except ValueError:
        address = response.url.copy_with(userinfo=b"", query=None)
        raise ServerError(
            f"{address} does not answer with JSON; correct the server's address", status=response.status_code
        ) from None


def refusal(response: httpx.Response, body: bytes) -> ServerError:
    """Return the error that a response tells of."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    return failure_of(response.status_code, content, request_id_of(response))


def ended_early(response: httpx.Response) -> ServerError:
    """Return the error of a stream that stops before it says that it is done."""
    return ServerError("the server broke off its stream; ask again", request_id=request_id_of(response))


def unreachable(error: httpx.HTTPError, address: httpx.URL) -> ServerError:
    """Return the error of a connection that failed."""
    server = address.copy_with(userinfo=b"")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return ServerError(f"the server at {server} cannot be reached ({error}); start it, or correct its address")
    if isinstance(error, httpx.TimeoutException):
        return ServerTimeoutError(f"the server at {server} did not answer in time; ask for less, or allow more time")
    return ServerError(f"the server at {server} dropped the connection ({type(error).__name__}); ask again")
