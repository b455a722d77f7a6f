"""A client for asyncio that sends bytes and returns bytes, once, to several servers."""

from __future__ import annotations

import httpx
import orjson

from dpr.client import calls
from dpr.client.connection import unreachable
from dpr.client.failures import failure_of
from dpr.errors import ServerError

MAX_ANSWER_BYTES = 64 * 1024 * 1024


class BytesClient:
    """Asks several servers with one key; use and close it in one event loop.

    Args:
        key: an API key; empty without one.
        transport: what carries requests, in place of the network.

    Raises:
        ConfigError: the key cannot be one.
    """

    def __init__(self, key: str = "", transport: httpx.AsyncBaseTransport | None = None) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(
            headers=calls.headers_of(key), limits=limits, transport=transport, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, address: str, content: bytes | None, timeout_s: float) -> bytes:
        """Return the body of a server's answer to JSON, or to a GET without content; the server is answer the time.

        Raises:
            ServerError: it refuses, fails, or cannot be reached; see `dpr.errors`. ``status`` is 0 without an answer.
        """
        headers = {"X-Request-Timeout": f"{timeout_s:.3f}"}
        if content is not None:
            headers["content-type"] = "application/json"
        method = "GET" if content is None else "POST"
        request = self._client.build_request(
            method, address, content=content, headers=headers, timeout=httpx.Timeout(timeout_s)
        )
        try:
            response = await self._client.send(request, stream=True)
            try:
                body = await _bounded(response)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise unreachable(error, request.url) from error
        if response.is_success:
            return body
        try:
            answer = orjson.loads(body)
        except ValueError:
            answer = None
        raise failure_of(response.status_code, answer, "")


async def _bounded(response: httpx.Response) -> bytes:
    chunks, size_bytes = [], 0
    async for chunk in response.aiter_bytes():
        size_bytes += len(chunk)
        if size_bytes > MAX_ANSWER_BYTES:
            raise ServerError(f"the answer is larger than {MAX_ANSWER_BYTES:,} bytes", status=response.status_code)
        chunks.append(chunk)
    return b"".join(chunks)
