"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): a response piece by piece.

What fails before the first event is told by a status, as for any other response; what fails later is the last event,
named ``error``, in the one shape of errors.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from fastapi import Request
from fastapi.responses import StreamingResponse

from dpr.errors import DPRError
from service.errors import UNEXPECTED, ClientGoneError, error_response, outcome_of, response_of, unexpected

logger = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE_S = 15.0
"""Seconds without an event after which a comment is sent, so that no proxy takes the stream for dead."""

NO_WEIGHT = re.compile(r"(?:^|;)\s*q=0(?:\.0*)?\s*(?:;|$)")
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Emit = Callable[[str, str], None]
"""Called with an event's name and its JSON, in any thread; it raises `ClientGoneError` when nobody listens any more."""


def wants_events(request: Request, stream: bool | None) -> bool:
    """Return whether a request asks for events: by its field, else by an ``Accept`` of them and not of JSON."""
    if stream is not None:
        return stream
    ranges = accepted_types(request.headers.get("accept", ""))
    return EVENT_STREAM in ranges and "application/json" not in ranges


def accepted_types(accept: str) -> set[str]:
    """Return the media types that an ``Accept`` header names, but those of weight 0 (RFC 9110, 12.5.1)."""
    named = (item.partition(";") for item in accept.lower().split(","))
    return {name.strip() for name, _, parameters in named if not NO_WEIGHT.search(parameters)}


async def event_stream(
    request: Request, work: Callable[[Emit], Awaitable[str]], retry_after_s: int
) -> StreamingResponse:
    """Return the response whose events ``work`` emits, and whose last one, ``done``, has the JSON that it returns.

    It returns when the first event is there.

    Raises:
        DPRError: the work failed before its first event.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[bytes | None] = asyncio.Queue()

    def emit(name: str, data: str) -> None:
        if task.done():
            raise ClientGoneError("nobody listens to the events any more; the work is dropped")
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(events.put_nowait, event(name, data))

    def finish(ended: asyncio.Future[str]) -> None:
        events.put_nowait(None)
        _ = ended.cancelled() or ended.exception()  # is no surprise, also where the client left before

    task = asyncio.ensure_future(work(emit))
    task.add_done_callback(finish)
    first = await events.get()
    if first is None:
        task.result()  # raises

    def last() -> bytes:
        """Return the last event: the end, or what failed."""
        try:
            return event("done", task.result())
        except DPRError as error:
            body = response_of(error, retry_after_s).body
            code = outcome_of(error).code
        except Exception:
            request_id = request.state.request_id
            logger.exception("request %s failed unexpectedly after its first event", request_id)
            code = "internal_error"
            body = error_response(UNEXPECTED, code, unexpected(request_id)).body
        request.app.state.metrics.failed(code)
        return event("error", bytes(body).decode())

    async def stream() -> AsyncIterator[bytes]:
        """Yield the events as they come; without a listener, the work is dropped."""
        try:
            piece = first
            while piece is not None:
                yield piece
                piece = await next_event(events)
            yield last()
        finally:
            task.cancel()

    return StreamingResponse(stream(), media_type=EVENT_STREAM, headers=HEADERS)


async def next_event(events: asyncio.Queue[bytes | None]) -> bytes | None:
    """Return the next event, a comment where none comes for a while, or None after the last one."""
    try:
        return await asyncio.wait_for(events.get(), KEEP_ALIVE_S)
    except TimeoutError:
        return b": keep-alive\n\n"


def event(name: str, data: str) -> bytes:
    """Return an event as it is sent; its data is JSON in one line."""
    return f"event: {name}\ndata: {data}\n\n".encode()
