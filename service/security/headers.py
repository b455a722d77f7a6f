"""The headers of every response that tell browsers what not to do with it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""On every response, where it does not say otherwise itself."""

POLICY_OF_DATA = "default-src 'none'; frame-ancestors 'none'"
"""Content security policy of what is no page; a page brings its own."""

POLICY_OF_PAGES = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


class SecurityHeadersMiddleware:
    """Add the headers that tell browsers what not to do with a response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                is_page = headers.get("content-type", "").startswith("text/html")
                headers.setdefault("Content-Security-Policy", POLICY_OF_PAGES if is_page else POLICY_OF_DATA)
            await send(message)

        await self.app(scope, receive, send_with_headers)
