"""A chat model without a model: a server on this machine that speaks the protocol and does what a script says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 10.0
DONE = b"data: [DONE]\n\n"

Write = Callable[[bytes], object]
Script = Callable[["Exchange"], None]


def event(text: str | None = None, finish: str | None = None) -> bytes:
    """Return one event of a reply; Hangul is not escaped."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    body: dict[str, Any]
    headers: dict[str, str]
    path: str
    peer: object
    start: Callable[[int, dict[str, str]], None]
    write: Write
    stopped: threading.Event
    is_dropped: bool = False

    @property
    def prompt(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])

    def wait(self) -> None:
        """Say nothing until the server is stopped."""
        self.stopped.wait(PATIENCE_S)


def replies(*parts: str, end: bytes = event(finish="stop") + DONE) -> Script:
    """Stream some text, a part an event."""

    def script(exchange: Exchange) -> None:
        exchange.start(200, {})
        exchange.write(b": a comment\n\n" + event(""))
        for part in parts:
            exchange.write(event(part))
        exchange.write(end)

    return script


def sends(*chunks: bytes, kind: str = "text/event-stream") -> Script:
    """Send bytes as they are, and end the connection."""

    def script(exchange: Exchange) -> None:
        exchange.start(200, {"Content-Type": kind})
        for chunk in chunks:
            exchange.write(chunk)

    return script


def drops(*chunks: bytes) -> Script:
    """Send bytes, and close the connection amidst the response."""

    def script(exchange: Exchange) -> None:
        sends(*chunks)(exchange)
        exchange.is_dropped = True

    return script


def refuses(status: int, body: object = None, **headers: str) -> Script:
    """Answer with a status; ``retry_after="0"`` is the header ``Retry-After``."""

    def script(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.start(status, {"Content-Type": "application/json", **named})
        exchange.write(json.dumps(body or {"error": {"message": "no"}}).encode())

    return script


def stalls(*chunks: bytes) -> Script:
    """Send bytes, then nothing more."""

    def script(exchange: Exchange) -> None:
        sends(*chunks)(exchange)
        exchange.wait()

    return script


def is_silent(exchange: Exchange) -> None:
    """Accept the request, and say nothing."""
    exchange.wait()


def trickles(exchange: Exchange) -> None:
    """Send comments without end, so that no read of the client is ever late."""
    exchange.start(200, {})
    while not exchange.stopped.wait(0.02):
        exchange.write(b": still here\n\n")


@dataclass
class FakeGenerator:
    """Plays its scripts in turn, the last one ever after; ``seen`` has every request."""

    scripts: list[Script]
    url: str = ""
    seen: list[Exchange] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, exchange: Exchange) -> Script:
        with self.lock:
            self.seen.append(exchange)
            return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]


@contextmanager
def generator(*scripts: Script) -> Iterator[FakeGenerator]:
    """Serve on a free port of this machine."""
    fake, stopped = FakeGenerator(list(scripts)), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            exchange = Exchange(
                body, dict(self.headers), self.path, self.client_address, self.start, self.write, stopped
            )
            try:
                fake.next(exchange)(exchange)
                if not exchange.is_dropped:
                    self.wfile.write(b"0\r\n\r\n")
            except OSError:
                exchange.is_dropped = True  # by the client
            self.close_connection = self.close_connection or exchange.is_dropped

        def start(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            kind = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
            for name, value in {**kind, **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def write(self, data: bytes) -> None:
            if data:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
