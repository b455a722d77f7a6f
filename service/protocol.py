"""HTTP connections with limits: on their number, on the head of a request, and on how long a client may dawdle.

uvicorn's own protocol reads heads without end, waits for them for ever, and tells its errors as plain text. This one
refuses in the one shape of errors. What a request's body and its work may take, the middleware says.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.errors import REQUEST_ID_HEADER, error_body
from service.security.headers import POLICY_OF_DATA, SECURITY_HEADERS

MAX_HEADERS = 100
MAX_PIPELINED = 16
"""Requests of one connection that wait for the one before them."""

SWEEP_S = 0.5
LINGER_S = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take.

    Attributes:
        connections: connections open at a time.
        head_bytes: size of a request's line and headers.
        head_timeout_s: seconds from the first byte of a head to its end, and from connecting to the first byte.
        write_timeout_s: seconds in which a client takes in what was sent to it.
        retry_after_s: ``Retry-After`` of a refusal that may pass.
    """

    connections: int = 512
    head_bytes: int = 32_768
    head_timeout_s: float = 10.0
    write_timeout_s: float = 30.0
    retry_after_s: int = 1


class LimitedProtocol(HttpToolsProtocol):
    """One connection; `limited` makes the class with the limits that uvicorn is given."""

    limits = ConnectionLimits()

    def connection_made(self, transport: Any) -> None:
        """Take the connection in, in the place of an idle one where there are too many."""
        super().connection_made(transport)
        self._active = self.loop.time()
        self._head_began: float | None = None
        self._head_bytes = 0
        self._bytes_since_body = 0
        self._is_in_head = True
        self._has_asked = False
        self._has_sent = False
        self._is_refused = False
        self._is_last = False
        self._is_ending = False
        self._unread_since: float | None = None
        connection_socket = transport.get_extra_info("socket")
        if connection_socket is not None and connection_socket.family in (socket.AF_INET, socket.AF_INET6):
            # Without it, the second small write of a response waits for the client's delayed acknowledgement, 40 ms.
            connection_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is a head without end."""
        if self._is_refused or self.transport.is_closing():
            return
        self._active, self._has_sent = self.loop.time(), True
        if self._is_in_head:
            self._head_bytes += len(data)
            self._head_began = self._head_began or self._active
        else:
            self._bytes_since_body += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > self.limits.head_bytes:
            self._refuse_head()
        elif not self._is_in_head and self._bytes_since_body > self.limits.head_bytes:
            self._refuse_trailers()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; one after the body is dropped: the request has been let in without it."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is too large."""
        head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        self._is_in_head, self._head_began, self._head_bytes, self._has_asked = False, None, 0, True
        self._bytes_since_body = 0
        if self._is_refused:
            return
        if head_bytes > self.limits.head_bytes or len(self.headers) > MAX_HEADERS:
            self._refuse_head()
            return
        super().on_headers_complete()
        self._is_last = len(self.pipeline) >= MAX_PIPELINED
        if self._is_ending or self.parser.should_upgrade():  # another protocol is declined by an answer in this one
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body."""
        self._bytes_since_body = 0
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request's body; the next head follows."""
        self._is_in_head = True
        if not self._is_refused:
            super().on_message_complete()
            if self._is_last:
                self._take_no_more()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._active = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's words
        """Refuse what is no HTTP; a request of this connection that is computing is answered first."""
        if self.is_busy and not self.cycle.more_body:
            self._take_no_more()
        elif not self._is_refused:
            self.refuse(400, "invalid_http", "this is not a request of HTTP/1.1; send one")

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a request that asks for another protocol is answered in this one."""

    def shutdown(self) -> None:
        """End the connection, after the request that is computing; tell a client that has begun to send a request."""
        if self._head_began is not None and not self.is_busy:
            self.refuse(
                503, "shutting_down", "the service is shutting down; ask another one, or again soon", retry=True
            )
        else:
            super().shutdown()

    @property
    def is_busy(self) -> bool:
        """Whether a request of this connection is not answered yet."""
        cycle: Any = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def check(self, now: float) -> None:
        """End the connection if its client dawdles; ``now`` is the loop's time."""
        unread = self.transport.get_write_buffer_size() > 0
        self._unread_since = (self._unread_since or now) if unread else None
        if self._unread_since is not None and now - self._unread_since > self.limits.write_timeout_s:
            logger.info("a client took in no response for %g s; disconnected", self.limits.write_timeout_s)
            self.transport.abort()
        elif self.is_busy or self._is_refused or self.transport.is_closing():
            return
        elif self._head_began is not None and now - self._head_began > self.limits.head_timeout_s:
            sentence = f"the headers did not come within {self.limits.head_timeout_s:g} s; send them at once"
            self.refuse(408, "request_timeout", sentence)
        elif not self._has_asked and self._head_began is None and now - self._active > self.limits.head_timeout_s:
            self.transport.close()

    def refuse(self, status: int, code: str, message: str, *, retry: bool = False) -> None:
        """Write an error in the one shape and end the connection."""
        self._is_refused = True
        request_id = uuid.uuid4().hex
        body = json.dumps(error_body(code, message)).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            REQUEST_ID_HEADER: request_id,
            "Connection": "close",
            **SECURITY_HEADERS,
            "Content-Security-Policy": POLICY_OF_DATA,
        }
        if retry:
            headers["Retry-After"] = str(self.limits.retry_after_s)
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + lines.encode() + b"\r\n" + body)
        if self._has_sent and self.transport.can_write_eof():
            # Closing on a client that still sends could cost it the response: what it sends is dropped for a moment.
            self.transport.write_eof()
            self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()
        logger.info("refused a connection: %d %s, request %s", status, code, request_id)

    def _take_no_more(self) -> None:
        """Close the connection after the last request that it has; what else comes is dropped."""
        self.cycle.keep_alive = False
        self._is_refused = True

    def _refuse_head(self) -> None:
        if self.is_busy:
            self._take_no_more()
            return
        sentence = f"the headers are over the limit of {self.limits.head_bytes:,} bytes or {MAX_HEADERS}; send fewer"
        self.refuse(431, "headers_too_large", sentence)

    def _refuse_trailers(self) -> None:
        """Take no more of what follows the body, or lies between its chunks, and is none of it."""
        if self.is_busy and (self.cycle.response_started or not self.cycle.more_body):
            self._take_no_more()
        elif not self._is_refused:
            sentence = (
                f"what stands beside the body is over the limit of {self.limits.head_bytes:,} bytes; leave it out"
            )
            self.refuse(431, "headers_too_large", sentence)

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest; refuse this one if all are busy."""
        peers = (peer for peer in self.connections if isinstance(peer, LimitedProtocol) and peer is not self)
        idle = [peer for peer in peers if not (peer.is_busy or peer.transport.is_closing())]
        if idle:
            min(idle, key=lambda peer: peer._active).transport.abort()  # noqa: SLF001 - of this class
        else:
            sentence = f"{self.limits.connections:,} connections are open; ask again soon"
            self.refuse(503, "busy", sentence, retry=True)


def limited(limits: ConnectionLimits) -> type[LimitedProtocol]:
    """Return the protocol with these limits."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits})


async def sweep(connections: Iterable[Any], interval_s: float = SWEEP_S) -> None:
    """Check the connections of a server again and again, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(interval_s)
        for connection in list(connections):
            if isinstance(connection, LimitedProtocol):
                connection.check(loop.time())
