"""Request bodies to values without holding the event loop: large ones in a thread, and none with thousands of names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

SMALL_BODY_BYTES = 16_384
"""Bodies up to this size are parsed at once: that takes less time than to hand them to a thread."""

MAX_NAMES = 64
"""Names of a body that are looked at: more than any request has, so that one of them is unknown and is told."""

_parser = ThreadPoolExecutor(1, thread_name_prefix="parse")


def _parsed(body: bytes) -> Any:
    """Parse a large body: a parser holds up all of Python, and this one does so for a third of the time."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)  # which knows more encodings and numbers, and whose errors are told


class BoundedRequest(Request):
    """A request whose JSON is parsed beside the event loop where it is large."""

    async def json(self) -> Any:
        """Return the body's value; of an object with too many names, the first ones.

        Validation makes an error of each unknown name, which took seconds for a body of them.

        Raises:
            json.JSONDecodeError: the body is not JSON.
        """
        body = await self.body()
        if len(body) <= SMALL_BODY_BYTES:
            value = json.loads(body)
        else:
            value = await asyncio.get_running_loop().run_in_executor(_parser, _parsed, body)
        is_long = isinstance(value, dict) and len(value) > MAX_NAMES
        return dict(islice(value.items(), MAX_NAMES)) if is_long else value


class BoundedRoute(APIRoute):
    """A route that takes a JSON body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, given a `BoundedRequest`."""
        handler = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            return await handler(BoundedRequest(request.scope, request.receive))

        return bounded


class ComputedRoute(BoundedRoute):
    """A route whose requests are computed: a full server refuses them (`service.middleware.AdmissionMiddleware`)."""
