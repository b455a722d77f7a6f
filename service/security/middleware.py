"""What surrounds every request for safety: the origin of web pages, the caller's key and its rate.

All of it is decided from the head of a request, before its body is read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import response_of
from service.security.keyring import KeyRing
from service.security.rate import RateLimiter
from service.security.refusals import OriginRefusedError, RefusedCallerError
from service.security.scopes import Caller, is_open

LINGER_S = 2.0


class OriginMiddleware:
    """Refuse what web pages of other origins send, as browsers say in ``Origin``; ``origins`` are let through.

    CORS alone keeps a page from reading a response, not from sending a request that changes something.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], retry_after_s: int) -> None:
        self.app = app
        self.origins = frozenset(origins)
        self.retry_after_s = retry_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            origins = headers.getlist("origin")
            if any(not self._may_ask(origin, headers) for origin in origins) or len(origins) > 1:
                error = OriginRefusedError("web pages of this origin may not ask; list it with --cors-origins")
                await refuse(error, self.retry_after_s, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _may_ask(self, origin: str, headers: Headers) -> bool:
        if origin in self.origins:
            return True
        try:
            netloc = urlsplit(origin).netloc
        except ValueError:
            return False
        return bool(netloc) and netloc.lower() == headers.get("host", "").lower()


class AuthenticationMiddleware:
    """Let in who brings a key of ``keys``, at its rate, and note the caller in the request's state as ``caller``.

    Open paths need no key (`service.security.scopes`). What the key's scope allows, the routes say themselves.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, limiter: RateLimiter, retry_after_s: int) -> None:
        self.app = app
        self.keys = keys
        self.limiter = limiter
        self.retry_after_s = retry_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_open(scope["path"]):
            try:
                record = self.keys.record_of(Headers(scope=scope).getlist("authorization"))
                scope.setdefault("state", {})["caller"] = Caller(record.id, record.name, record.scope)
                self.limiter.take(record)
            except RefusedCallerError as error:
                await refuse(error, self.retry_after_s, scope, receive, send)
                return
        await self.app(scope, receive, send)


async def refuse(error: RefusedCallerError, retry_after_s: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with an error of ours without reading the body, and close the connection where there is one."""
    response = response_of(error, retry_after_s)
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        response.headers["Connection"] = "close"
        if "expect" not in headers:  # else the client waits to hear whether to send
            await _discard(receive)
    await response(scope, receive, send)


async def _discard(receive: Receive) -> None:
    """Take in the body for a moment: closing on a caller who still sends could cost it the response."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
