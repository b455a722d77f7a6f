"""What surrounds every request to tell of it: its metrics, its span, its line in the log, and ``Server-Timing``."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Span
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dpr.console import visible
from dpr.reader.generative.outgoing import OUTGOING_HEADERS
from service.context import RequestContext
from service.telemetry.logs import FIELDS
from service.telemetry.metrics import OTHER_LABEL, Metrics
from service.telemetry.tracing import Tracing, trace_headers, trace_id

logger = logging.getLogger(__name__)

PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that are asked for every few seconds. They are logged at DEBUG, or the log would hold little else."""

UNEXPECTED = 500
CLIENT_GONE = 499
MAX_LOGGED_QUESTIONS = 64
MAX_NOTED_BYTES = 1024 * 1024
"""Of a body that is looked into for questions; a longer one is a bulk of documents."""

GOOD_CLIENT = re.compile(r"[0-9A-Za-z.:%_-]{1,64}")


class TelemetryMiddleware:
    """Tell of each request; it stands inside what gives a request its context.

    Args:
        app: what answers.
        metrics: counts the request.
        tracing: starts its span.
        log_questions: whether the log has the questions.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing, log_questions: bool) -> None:
        self.app = app
        self.metrics = metrics
        self.tracing = tracing
        self.log_questions = log_questions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.metrics.started()
        try:
            with self.tracing.request(scope["method"], Headers(scope=scope)) as span:
                # The work of a request runs in a copy of its context, so that the generator's client sees them.
                OUTGOING_HEADERS.set(trace_headers(span))
                await self._answer(Answering(scope, span), receive, send)
        finally:
            self.metrics.ended()

    async def _answer(self, answering: Answering, receive: Receive, send: Send) -> None:
        async def send_with_timing(message: Message) -> None:
            if message["type"] == "http.response.start":
                answering.status, answering.first_s = message["status"], answering.elapsed_s
                MutableHeaders(scope=message)["Server-Timing"] = answering.context.times.header(answering.first_s)
            await send(message)

        async def receive_and_note() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(answering.body) < MAX_NOTED_BYTES:
                answering.body += message.get("body", b"")
            return message

        try:
            await self.app(answering.scope, receive_and_note if self.log_questions else receive, send_with_timing)
        except Exception:
            answering.state["error_code"] = "internal_error"
            answering.status = answering.status or UNEXPECTED
            raise
        finally:
            self._tell(answering, answering.status or CLIENT_GONE)

    def _tell(self, answering: Answering, status: int) -> None:
        scope, times, elapsed_s = answering.scope, answering.context.times, answering.elapsed_s
        route = answering.route
        self.metrics.answered(route, answering.method, status, answering.first_s)
        self.metrics.waited(times)
        if (code := answering.state.get("error_code")) is not None:
            self.metrics.failed(code)
        self.tracing.answered(answering.span, route, answering.method, status, times)
        fields = answering.fields(status)
        if self.log_questions:
            fields["questions"] = questions_of(answering.body)
        level = logging.DEBUG if scope["path"] in PROBES else logging.INFO
        values = (answering.method, ascii(scope["path"]), status, elapsed_s * 1000, times.queue_s * 1000)
        questions = "".join(f", question {visible(question)!r}" for question in fields.get("questions", ()))
        ids = (fields["client"], fields["request_id"], questions)
        logger.log(
            level, "%s %s %d %.1f ms, waited %.1f ms, client %s, request %s%s", *values, *ids, extra={FIELDS: fields}
        )


class Answering:
    """One request while it is answered: its status, and the seconds until its response began, once it has."""

    def __init__(self, scope: Scope, span: Span) -> None:
        self.scope = scope
        self.span = span
        self.method = str(scope["method"])
        self.state: dict[str, Any] = scope["state"]
        self.context: RequestContext = scope["state"]["context"]
        self.started = time.perf_counter()
        self.body = b""
        self.status: int | None = None
        self.first_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request came in."""
        return time.perf_counter() - self.started

    @property
    def route(self) -> str:
        """The path as the application declares it."""
        path = getattr(self.scope.get("route"), "path", None)
        return str(path) if path else OTHER_LABEL

    @property
    def client(self) -> str:
        """The id of the caller's key, else the address, which a proxy may have said (``X-Forwarded-For``)."""
        caller = self.state.get("caller")
        client = caller.key_id if caller else (self.scope.get("client") or ("",))[0]
        return str(client) if GOOD_CLIENT.fullmatch(str(client)) else "unknown"

    def fields(self, status: int) -> dict[str, Any]:
        """Return what a log line in JSON has of the request."""
        times = self.context.times
        fields = {
            "request_id": self.context.request_id,
            "client": self.client,
            "method": self.method,
            "path": self.scope["path"],
            "status": status,
            "duration_ms": round(self.elapsed_s * 1000, 1),
            "queue_ms": round(times.queue_s * 1000, 1),
            "stages_ms": {name: round(stage.seconds * 1000, 1) for name, stage in times.stages.items()},
            "generation": self.context.generation,
            "error": self.state.get("error_code"),
            "trace_id": trace_id(self.span),
        }
        return {name: value for name, value in fields.items() if value is not None}


def questions_of(body: bytes) -> list[str]:
    """Return the questions in the body of a request, for the log; none of a body that has none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(content, Mapping):
        return []
    batch = content.get("questions")
    questions = batch if isinstance(batch, list) else [content.get("question")]
    return [question for question in questions if isinstance(question, str)][:MAX_LOGGED_QUESTIONS]
