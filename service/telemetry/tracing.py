"""Traces in the form of OpenTelemetry: a span for each request and each of its stages; W3C trace context in and out.

The context of a caller always reaches the generator. Spans are recorded where the extra ``otel`` is installed and
``--otel-endpoint`` names a collector.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from opentelemetry.trace import NoOpTracerProvider, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from dpr import __version__
from dpr.errors import MissingDependencyError
from service.telemetry.times import RequestTimes

SERVICE_NAME = "dense-passage-retrieval"
EXPORT_TIMEOUT_S = 2
_PROPAGATOR = TraceContextTextMapPropagator()
_NANO = 1_000_000_000


class Tracing:
    """Starts the spans of requests.

    Args:
        tracer: records them; by default nothing does.
        close: sends what is recorded, and ends.
    """

    def __init__(self, tracer: Tracer | None = None, close: Callable[[], None] = lambda: None) -> None:
        self.close = close
        self._tracer = tracer or NoOpTracerProvider().get_tracer(SERVICE_NAME)
        self._clock_offset_ns = time.time_ns() - int(time.perf_counter() * _NANO)

    def request(self, method: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """Start the span of a request, below the caller's span where ``traceparent`` names one."""
        names = ("traceparent", "tracestate")
        carrier = {name: headers[name] for name in names if name in headers}
        return self._tracer.start_as_current_span(
            method,
            _PROPAGATOR.extract(carrier),
            SpanKind.SERVER,
            {"http.request.method": method},
            record_exception=False,  # its message may hold a question
        )

    def answered(self, span: Span, route: str, method: str, status: int, times: RequestTimes) -> None:
        """Name the span by its route, note the outcome, and add a span for each stage."""
        if not span.is_recording():
            return
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status, "dpr.queue_s": times.queue_s})
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        context = set_span_in_context(span)
        for name, stage in list(times.stages.items()):
            attributes = {"dpr.pieces": stage.pieces, "dpr.seconds": stage.seconds}
            child = self._tracer.start_span(
                name, context, attributes=attributes, start_time=self._nanoseconds(stage.started)
            )
            child.end(self._nanoseconds(stage.ended))

    def _nanoseconds(self, moment: float) -> int:
        return self._clock_offset_ns + int(moment * _NANO)


def open_tracing(endpoint: str | None) -> Tracing:
    """Return what records the spans and sends them to a collector; without an endpoint, they are only passed on.

    Raises:
        MissingDependencyError: the extra ``otel`` is not installed.
    """
    if endpoint is None:
        return Tracing()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise MissingDependencyError.extra("opentelemetry-sdk", "otel") from error  # noqa: S610  not Django's
    resource = Resource.create({"service.name": SERVICE_NAME, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT_S)))
    return Tracing(provider.get_tracer(SERVICE_NAME, __version__), provider.shutdown)


def trace_id(span: Span) -> str | None:
    """Return the id of a span's trace, hexadecimal; None where there is no trace."""
    context = span.get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def trace_headers(span: Span) -> Mapping[str, str]:
    """Return the headers that carry a span's context on to another server."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers, set_span_in_context(span))
    return headers
