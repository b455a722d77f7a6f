"""What a client may send beside a body, and before it: trailers, chunk extensions, and the question whether to send."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.service.test_protocol import QUESTION, connect, error_of, listening, response

CHUNKED = (
    b"POST /v1/retrieve HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n"
) % (len(QUESTION), QUESTION)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening() as (port, _):
        yield port


def test_a_trailer_is_no_header(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(CHUNKED + b"0\r\nX-Request-Timeout: nan\r\n\r\n")
        assert response(connection)[0] == 200


@pytest.mark.parametrize("unit", [b"X-T: " + b"a" * 50 + b"\r\n", b"a"], ids=["many", "long"])
@pytest.mark.parametrize("beside", [b"0\r\nX: ", b"1;x="], ids=["trailers", "chunk extension"])
def test_what_stands_beside_a_body_has_a_limit(port: int, beside: bytes, unit: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(CHUNKED)
        for content in (beside, *[unit * (8_192 // len(unit))] * 3):
            connection.sendall(content)
            time.sleep(0.05)
        assert error_of(connection)[0] in ((400, 431) if beside.startswith(b"1") else (431,))


def test_small_chunks_are_no_trailers(port: int) -> None:
    head, _, _ = CHUNKED.partition(b"\r\n\r\n")
    padded = QUESTION + b" " * 3_000
    with connect(port) as connection:
        connection.sendall(head + b"\r\n\r\n")
        for start in range(0, len(padded), 500):
            connection.sendall(b"".join(b"1\r\n%c\r\n" % letter for letter in padded[start : start + 500]))
        connection.sendall(b"0\r\n\r\n")
        assert response(connection)[0] == 200


@pytest.mark.parametrize("header", [b"Content-Length: 99999999", b"Content-Length: 9\r\nContent-Encoding: gzip"])
def test_a_client_that_asks_first_is_not_told_to_send_what_is_refused(port: int, header: bytes) -> None:
    head = b"POST /v1/retrieve HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%b\r\n\r\n"
    with connect(port) as connection:
        connection.sendall(head % header)
        assert error_of(connection)[0] in (413, 415)


def test_a_client_that_asks_first_is_told_to_send_what_is_taken(port: int) -> None:
    head = b"POST /v1/retrieve HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%b\r\n\r\n"
    with connect(port) as connection:
        connection.sendall(head % (b"Content-Type: application/json\r\nContent-Length: %d" % len(QUESTION)))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(QUESTION)
        assert response(connection)[0] == 200
