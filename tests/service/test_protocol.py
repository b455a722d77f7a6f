"""Connections over real sockets: what a client may send, and how long it may dawdle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import uvicorn

from service.app import create_app
from service.engine import Engine
from service.protocol import ConnectionLimits, limited, sweep
from service.server import GracefulServer
from tests.service.fakes import FakeReader, fake_qa, settings_of
from tests.service.test_engine import PATIENCE_S, Gate, wait_for

LIMITS = ConnectionLimits(connections=8, head_bytes=4_096, head_timeout_s=30, write_timeout_s=30, retry_after_s=7)
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
QUESTION = b'{"question": "Who created Hangul?"}'


def post(body: bytes, path: bytes = b"/v1/query", headers: bytes = b"") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    return head % (path, len(body), headers) + body


@contextmanager
def listening(
    limits: ConnectionLimits = LIMITS, reader: FakeReader | None = None, grace_s: float = 5.0, **given: Any
) -> Iterator[tuple[int, GracefulServer]]:
    """Serve on a free port in a thread; end it gracefully, within the grace."""
    settings = settings_of(**given)
    engine = Engine(lambda: fake_qa(reader or FakeReader()), max_in_flight=settings.max_in_flight)
    config = uvicorn.Config(
        create_app(settings, engine), http=limited(limits), ws="none", lifespan="on", log_config=None, access_log=False
    )
    server = GracefulServer(config, engine, grace_s)

    async def serve(listener: socket.socket) -> None:
        sweeping = asyncio.create_task(sweep(server.server_state.connections, 0.02))
        await server.serve(sockets=[listener])
        sweeping.cancel()

    def run(listener: socket.socket) -> None:
        asyncio.run(serve(listener))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=run, args=(listener,))
        thread.start()
        try:
            wait_for(lambda: server.started and engine_is_ready(engine))
            yield port, server
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def engine_is_ready(engine: Engine) -> bool:
    try:
        return engine.ready() is not None
    except Exception:
        return False


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def received(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            content += chunk
    return content


def response(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one response."""
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    lines = iter(stream.readline, b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.decode().partition(":") for line in lines)}
    return status, headers, stream.read(int(headers.get("content-length", 0)))


def error_of(connection: socket.socket) -> tuple[int, str]:
    """Check that the connection's last response is an error in the one shape; return its status and code."""
    status, headers, body = response(connection)
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "field"}
    assert headers["x-request-id"]
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    return status, error["code"]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening() as (port, _):
        yield port


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /livez HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT host:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_in_the_one_shape(port: int, content: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(content)
        assert error_of(connection) == (400, "invalid_http")
        assert received(connection) == b""


@pytest.mark.parametrize(
    "content",
    [
        b"GET /livez HTTP/1.1\r\nX-Big: " + b"a" * 5_000,
        b"GET /livez HTTP/1.1\r\nX-Big: " + b"a" * 5_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 2_000,
        b"GET /livez HTTP/1.1\r\nX-Big: " + b"a" * 3_000_000,
    ],
)
def test_a_large_head_is_refused(port: int, content: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(content)
        assert error_of(connection) == (431, "headers_too_large")
        assert received(connection) == b""


def test_heads_of_one_connection_are_counted_each_by_itself(port: int) -> None:
    with connect(port) as connection:
        for _ in range(3):
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 3_000 + b"\r\n\r\n")
            assert response(connection)[0] == 200


def test_small_writes_are_sent_at_once(port: int) -> None:
    with listening() as (other_port, server), connect(other_port) as connection:
        connection.sendall(GET)
        assert response(connection)[0] == 200
        [protocol] = server.server_state.connections
        option = protocol.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert option != 0


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_another_protocol_is_declined_and_the_request_answered(port: int, protocol: bytes) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\nSec-WebSocket-Version: 13\r\n"
    with connect(port) as connection:
        connection.sendall(b"GET /v1/query HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n")
        assert error_of(connection) == (405, "method_not_allowed")
        assert received(connection) == b""


def test_a_head_request_is_answered_without_its_body(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(GET.replace(b"GET", b"HEAD"))
        content = b""
        while not content.endswith(b"\r\n\r\n"):
            content += connection.recv(1)
        assert content.startswith(b"HTTP/1.1 200")
        assert b"content-length: 18" in content
        connection.sendall(GET)  # a body would stand before the next response
        assert response(connection)[0] == 200


def test_a_body_that_is_no_body_is_refused_at_once(port: int) -> None:
    head = b"POST /v1/query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(port) as connection:
        connection.sendall(head + b"5\r\nhello\r\nrubbish\r\n")
        assert error_of(connection) == (400, "invalid_http")


def test_requests_ahead_of_their_answers_have_a_limit(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(GET * 100)
        assert received(connection).count(b"HTTP/1.1 200") <= 20


@pytest.mark.parametrize("rubbish", [b"rubbish\r\n\r\n", b"GET / HTTP/1.1\r\nX-Big: " + b"a" * 5_000 + b"\r\n\r\n"])
def test_a_request_before_rubbish_is_answered(port: int, rubbish: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(post(QUESTION) + rubbish)
        content = received(connection)
        assert content.count(b"HTTP/1.1") == 1
        assert content.startswith(b"HTTP/1.1 200")


def test_a_head_that_does_not_come_is_refused_and_an_idle_connection_closed() -> None:
    with listening(replace(LIMITS, head_timeout_s=0.1)) as (port, _), connect(port) as slow, connect(port) as idle:
        slow.sendall(b"GET /livez HTTP/1.1\r\nHo")
        assert error_of(slow) == (408, "request_timeout")
        assert received(idle) == b""


def test_a_body_that_does_not_come_is_refused() -> None:
    with listening(body_timeout_s=1) as (port, _), connect(port) as connection:
        connection.sendall(post(QUESTION)[:-5])
        assert error_of(connection) == (408, "request_timeout")


def test_too_many_connections_take_the_place_of_idle_ones() -> None:
    with listening() as (port, _):
        connections = [connect(port) for _ in range(40)]
        with connect(port) as connection:
            connection.sendall(GET)
            assert response(connection)[0] == 200
        closed = 0
        for connection in connections:
            connection.settimeout(0.05)
            try:
                closed += connection.recv(1) == b""
            except ConnectionResetError:
                closed += 1
            except TimeoutError:
                pass
            connection.close()
        assert closed >= 30


def test_a_connection_is_refused_where_all_are_busy() -> None:
    reader, gate = FakeReader(), Gate()
    with listening(reader=reader) as (port, _):
        reader.wait = gate.wait
        busy = [connect(port) for _ in range(8)]
        for connection in busy:
            connection.sendall(post(QUESTION))
        time.sleep(0.2)
        with connect(port) as one_more:
            status, headers, body = response(one_more)
            assert (status, json.loads(body)["error"]["code"], headers["retry-after"]) == (503, "busy", "7")
        gate.opened.set()
        assert [response(connection)[0] for connection in busy] == [200] * 8
        for connection in busy:
            connection.close()


def test_a_client_that_reads_no_response_is_cut_off() -> None:
    body = json.dumps({"questions": ["hangul " + "x" * 990] * 64, "k": 100}).encode()
    with listening(replace(LIMITS, write_timeout_s=0.2)) as (port, server), socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        connection.connect(("127.0.0.1", port))
        for _ in range(60):
            try:
                connection.sendall(post(body, b"/v1/retrieve"))
            except OSError:
                break
            time.sleep(0.02)
        wait_for(lambda: not server.server_state.connections)


def test_the_work_of_a_client_that_hung_up_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    reader, gate = FakeReader(), Gate()
    caplog.set_level("INFO", "service")
    with listening(reader=reader) as (port, _):
        reader.wait = gate.wait
        with connect(port) as first:
            first.sendall(post(QUESTION))
            wait_for(lambda: gate.arrived == 1)
            for _ in range(3):
                with connect(port) as connection:
                    connection.sendall(post(QUESTION))
                    time.sleep(0.05)
            wait_for(lambda: caplog.text.count("'/v1/query' 499") == 3)
            gate.opened.set()
            assert response(first)[0] == 200
    assert gate.arrived == 1


def test_a_request_is_answered_at_its_deadline_though_another_computes() -> None:
    reader, gate = FakeReader(), Gate()
    with listening(reader=reader) as (port, _), connect(port) as first, connect(port) as second:
        reader.wait = gate.wait
        first.sendall(post(QUESTION))
        wait_for(lambda: gate.arrived == 1)
        second.sendall(post(QUESTION, headers=b"X-Request-Timeout: 0.1\r\n"))
        assert error_of(second) == (504, "deadline_exceeded")
        gate.opened.set()
        assert response(first)[0] == 200


def test_at_the_end_of_the_grace_everybody_is_told() -> None:
    reader, gate = FakeReader(), Gate()
    with listening(reader=reader, grace_s=0.8) as (port, server):
        reader.wait = gate.wait
        computing, waiting, body, head, idle = (connect(port) for _ in range(5))
        computing.sendall(post(QUESTION))
        wait_for(lambda: gate.arrived == 1)
        waiting.sendall(post(QUESTION))
        body.sendall(post(QUESTION)[:-3])
        head.sendall(b"GET /livez HT")
        time.sleep(0.1)
        started = time.monotonic()
        server.should_exit = True
        for connection in (head, computing, waiting, body):
            assert error_of(connection) == (503, "shutting_down")
        assert received(idle) == b""
        assert time.monotonic() - started < 0.8
        gate.opened.set()
        for connection in (computing, waiting, body, head, idle):
            connection.close()
