"""What surrounds every request: its id, and the limit on its body's size.

Both are plain ASGI, so that nothing is buffered or wrapped but what they need.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.context import RequestContext
from service.engine import Engine
from service.errors import (
    REQUEST_ID_HEADER,
    BodyTimeoutError,
    BodyTooLargeError,
    BusyError,
    EncodedBodyError,
    ShuttingDownError,
    response_of,
)
from service.memory import FloodGauge

LINGER_S = 2.0
BODIES_IN_MEMORY = 32
GOOD_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class RequestIdMiddleware:
    """Give each request its context and an id, the caller's own where it is a good one."""

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self.app = app
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {}).update(request_id=request_id, context=RequestContext(request_id, self.timeout_s))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)


class HeadMiddleware:
    """Answer a ``HEAD`` as the ``GET`` of its path, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        as_get = {**scope, "method": "GET"}  # the server goes by the scope that it made

        async def send_without_body(message: Message) -> None:
            scope["route"] = as_get.get("route")  # which the router leaves, for the metrics
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app(as_get, receive, send_without_body)


class BodyLimitMiddleware:
    """Read the body, within limits on its size, its time, and the memory of all bodies; then watch the client.

    The body is handed on in one piece: it is at most ``max_body_bytes`` long, by its announced length or, where there
    is none, by counting. All bodies that are being received have `BODIES_IN_MEMORY` times as much memory together.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, timeout_s: float, retry_after_s: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.timeout_s = timeout_s
        self.retry_after_s = retry_after_s
        self._received = FloodGauge()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        engine: Engine = scope["app"].state.engine
        late: Exception = BodyTimeoutError(f"the body did not come within {self.timeout_s:g} s; send it at once")

        def end(error: Exception) -> None:
            nonlocal late
            late = error
            timer.reschedule(0)

        try:
            async with asyncio.timeout(self.timeout_s) as timer:
                with engine.told_at_end(end):
                    first = await self._whole_body(Headers(scope=scope), receive)
        except TimeoutError:
            await self._refuse(late, scope, receive, send)
            return
        except ShuttingDownError as error:
            await self._refuse(error, scope, receive, send)
            return
        except (BodyTooLargeError, BusyError, EncodedBodyError) as error:
            if "expect" not in Headers(scope=scope):  # else the client waits to hear whether to send
                await _discard(receive)
            await self._refuse(error, scope, receive, send)
            return
        if first["type"] == "http.disconnect":
            return
        context: RequestContext = scope["state"]["context"]
        watch = asyncio.create_task(_watch(context, receive))
        try:
            await self.app(scope, _replaying(first, context), send)
        finally:
            watch.cancel()

    async def _whole_body(self, headers: Headers, receive: Receive) -> Message:
        """Read the body; return it as one message, or the message that the caller has gone."""
        encoding, announced = headers.get("content-encoding", "identity"), headers.get("content-length", "")
        if encoding.strip().lower() not in ("", "identity"):
            raise EncodedBodyError("the body has a Content-Encoding, and this server unpacks none; send it as it is")
        # Nineteen digits are more than any limit, and no more than int() takes.
        self._refuse_over(int(announced[:19]) if announced.isdecimal() else 0)
        body = bytearray()
        try:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                part_of_body = message.get("body", b"")
                self._received.add(len(part_of_body))
                body += part_of_body
                self._refuse_over(len(body))
                if not message.get("more_body", False):
                    return {"type": "http.request", "body": bytes(body), "more_body": False}
                if self._received.size_bytes > BODIES_IN_MEMORY * self.max_body_bytes:
                    raise BusyError("too many large bodies are being sent at a time; ask again soon")
        finally:
            self._received.remove(len(body))

    def _refuse_over(self, size_bytes: int) -> None:
        if size_bytes > self.max_body_bytes:
            raise BodyTooLargeError(f"the body is over the limit of {self.max_body_bytes:,} bytes; send less at a time")

    async def _refuse(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        response = response_of(error, self.retry_after_s)
        response.headers["Connection"] = "close"  # what is left of the body is not going to be read
        await response(scope, receive, send)


class AdmissionMiddleware:
    """Refuse what a full server would have to compute, before it is routed and parsed.

    Under four times of what a server can compute, that leaves it a fifth more time for those it lets in.

    Args:
        app: what answers.
        routes: those whose requests are computed, by their paths.
        retry_after_s: seconds after which a refused client may ask again.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, Route], retry_after_s: int) -> None:
        self.app = app
        self.routes = routes
        self.retry_after_s = retry_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] not in (route.methods or ()):
            await self.app(scope, receive, send)
            return
        try:
            scope["app"].state.engine.refuse_if_full()
        except BusyError as error:
            scope["route"] = route  # which the router sets, for the metrics
            await response_of(error, self.retry_after_s)(scope, receive, send)
            return
        await self.app(scope, receive, send)


async def _discard(receive: Receive) -> None:
    """Take in the rest of a body for a moment: closing on a caller who still sends could cost it the response."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass


async def _watch(context: RequestContext, receive: Receive) -> None:
    """Wait until the client hangs up, or until it is answered, which looks the same."""
    while (await receive())["type"] != "http.disconnect":
        pass
    context.abandon()


def _replaying(first: Message, context: RequestContext) -> Receive:
    """Return what receives the whole body once, and later that the client has hung up."""
    pending = [first]

    async def replay() -> Message:
        if pending:
            return pending.pop()
        hung_up = asyncio.Event()
        context.on_abandoned(hung_up.set)
        await hung_up.wait()
        return {"type": "http.disconnect"}

    return replay


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if GOOD_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
