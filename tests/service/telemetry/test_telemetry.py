"""What a server tells of itself: metrics, log lines, timings and traces, and no question where none is asked for."""

from __future__ import annotations

import io
import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from dpr.errors import MissingDependencyError
from dpr.reader.generative.outgoing import OUTGOING_HEADERS
from dpr.reader.generative.prompt import Message
from dpr.reader.generative.reader import GenerativeReader
from dpr.reader.generative.sse import Delta
from service.telemetry import tracing
from service.telemetry.logs import JsonFormatter, TextFormatter
from service.telemetry.times import RequestTimes
from tests.service.fakes import FakeReader, fake_qa, serving

QUESTION = {"question": "Who created Hangul?"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def lines(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    """Collect what the service logs."""
    written, logger = io.StringIO(), logging.getLogger("service")
    handler, level = logging.StreamHandler(written), logger.level
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield written
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def samples(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    every = [sample for family in families for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in every}


def test_metrics_count_requests_batches_and_errors() -> None:
    with serving(lambda: fake_qa(FakeReader())) as client:
        for _ in range(3):
            assert client.post("/v1/query", json=QUESTION).status_code == 200
        assert client.post("/v1/query", json={"question": ""}).status_code == 422
        assert client.get("/nothing").status_code == 404
        client.request("BREW", "/nothing/else")
        client.head("/v1/info")
        counted = samples(client)

    def value(name: str, **labels: str) -> float:
        return counted[name, frozenset(labels.items())]

    assert value("dpr_requests_total", route="/v1/query", method="POST", status="200") == 3
    assert value("dpr_requests_total", route="other", method="GET", status="404") == 1
    assert value("dpr_requests_total", route="other", method="other", status="404") == 1
    assert value("dpr_requests_total", route="/v1/info", method="HEAD", status="200") == 1
    assert value("dpr_errors_total", code="question_empty") == 1
    assert value("dpr_errors_total", code="not_found") == 2
    assert value("dpr_request_seconds_count", route="/v1/query") == 4
    assert value("dpr_queue_seconds_count") == 3
    for stage in ("search", "read"):
        assert value("dpr_stage_seconds_count", stage=stage) == 3
        assert value("dpr_batch_requests_sum", stage=stage) == 3
        assert value("dpr_tokens_total", stage=stage) > 0
    served = [value(f"dpr_index_{name}", index="default") for name in ("generation", "passages", "current")]
    assert (value("dpr_ready"), served) == (1, [1, 3, 1])
    assert (value("dpr_jobs"), value("dpr_jobs_waiting"), value("dpr_jobs_limit")) == (0, 0, 32)
    assert value("dpr_requests_in_progress") == 1  # this one
    assert value("process_resident_memory_bytes") > 0
    assert not [key for key in counted if "nothing" in str(key)]


def test_metrics_tell_how_often_the_cache_had_a_result() -> None:
    with serving(fake_qa, cache_mib=1) as client:
        for _ in range(3):
            client.post("/v1/retrieve", json=QUESTION)
        counted = samples(client)
    names = ("dpr_cache_hits_total", "dpr_cache_misses_total")
    assert [counted[name, frozenset()] for name in names] == [2, 1]
    assert counted["dpr_cache_bytes", frozenset()] > 0


def test_metrics_are_there_before_it_is_ready() -> None:
    def fail() -> Any:
        raise MissingDependencyError("no index")

    with serving(fail, ready=False) as client:
        client.get("/readyz")
        assert samples(client)["dpr_ready", frozenset()] == 0


def test_server_timing_names_queue_and_stages(client: TestClient) -> None:
    timing = client.post("/v1/query", json=QUESTION).headers["server-timing"]
    entries = dict(entry.split(";dur=") for entry in timing.split(", "))
    assert list(entries) == ["queue", "search", "read", "respond", "total"]
    assert all(float(duration) >= 0 for duration in entries.values())
    assert client.get("/livez").headers["server-timing"].startswith("total;dur=")


def test_times_count_the_wait_until_each_first_piece() -> None:
    times = RequestTimes()
    times.queued()
    assert times._queued is not None
    start = times._queued + 1
    times.piece("read", start, start + 2)
    times.piece("read", start + 5, start + 6)
    assert times.queue_s == pytest.approx(1)
    stage = times.stages["read"]
    assert stage.pieces == 2
    assert stage.seconds == pytest.approx(3)
    assert stage.ended - stage.started == pytest.approx(6)
    assert times.header(9) == "queue;dur=1000.0, read;dur=3000.0, total;dur=9000.0"


def test_a_json_line_has_request_client_and_times(client: TestClient) -> None:
    with lines(JsonFormatter()) as written:
        client.post("/v1/query", json=QUESTION, headers={"x-request-id": "mine", "traceparent": PARENT})
        client.post("/v1/query", json={"question": ""})
    [good, bad] = map(json.loads, written.getvalue().splitlines())
    assert (good["request_id"], good["client"]) == ("mine", "testclient")
    assert (good["path"], good["status"]) == ("/v1/query", 200)
    assert set(good["stages_ms"]) == {"search", "read", "respond"}
    assert good["duration_ms"] >= good["queue_ms"] >= 0
    assert (good["generation"], good["trace_id"], good["level"]) == ("000001", PARENT[3:35], "info")
    assert (bad["error"], bad["status"]) == ("question_empty", 422)
    assert "generation" not in bad


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_questions_are_logged_only_where_that_is_asked_for(formatter: logging.Formatter) -> None:
    batch = {"questions": ["Who created Hangul?", "한글은 누가 만들었는가?"]}
    for log_questions in (False, True):
        with serving(fake_qa, log_questions=log_questions) as client, lines(formatter) as written:
            assert client.post("/v1/retrieve", json=batch).status_code == 200
            client.post("/v1/retrieve", json={"question": 3, "Who created": "Hangul?"})
            client.post("/v1/retrieve", content=b"[")
        assert ("Hangul?" in written.getvalue()) is log_questions
        assert ("한글은" in written.getvalue()) is log_questions


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_line_cannot_be_forged(formatter: logging.Formatter) -> None:
    forged = "x\n2026-01-01 INFO service: all is well\r\x1b[2J\x9b\u202e\u2028y"
    record = logging.LogRecord("service", logging.ERROR, "f", 1, "failed: %s", (forged,), None)
    line = formatter.format(record)
    assert len(line.splitlines()) == 1
    assert not set("\n\r\x1b\x9b\u202e") & set(line)
    with serving(fake_qa, log_questions=True) as client, lines(formatter) as written:
        client.post("/v1/retrieve", json={"question": forged}, headers={"x-request-id": "a b"})
        client.get("/%0a2026%1b[2J")
    assert len(written.getvalue().splitlines()) == 2
    assert "\x1b" not in written.getvalue()


@pytest.mark.parametrize("host", ["1.2.3.4, request forged", "x" * 65, "\x1b[2J", "a b", ""])
def test_a_proxy_cannot_forge_a_line_by_the_address(host: str) -> None:
    with serving(fake_qa) as client, lines(TextFormatter()) as written:
        TestClient(client.app, client=(host, 1)).get("/v1/info")
    assert "client unknown, request" in written.getvalue()


def test_an_accident_is_counted_and_logged_once() -> None:
    fails = iter([False, True])

    def fail() -> None:
        if next(fails):
            raise RuntimeError("broken")

    with serving(lambda: fake_qa(FakeReader(fail))) as client, lines(JsonFormatter()) as written:
        assert client.post("/v1/query", json=QUESTION).status_code == 500
        counted = samples(client)
    assert counted["dpr_errors_total", frozenset({("code", "internal_error")})] == 1
    entries = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [entry["status"] for entry in entries if entry.get("path") == "/v1/query"] == [500]


class NotingChat:
    """A model that notes the headers that go with its questions."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []

    def __call__(self, messages: Sequence[Message]) -> Iterator[Delta]:
        self.headers.append(dict(OUTGOING_HEADERS.get()))
        yield Delta("King Sejong [1]", "stop")

    def close(self) -> None:
        pass


def test_the_trace_context_reaches_the_generator_and_no_other_request() -> None:
    chat = NotingChat()
    with serving(lambda: fake_qa(None, GenerativeReader("chat", chat))) as client:
        for headers in ({"traceparent": PARENT, "tracestate": "a=1"}, {}, {"traceparent": "00-bad"}):
            assert client.post("/v1/query", json=QUESTION, headers=headers).json()["results"][0]["text"]
    first, second, third = chat.headers
    assert first["traceparent"].split("-")[1] == PARENT.split("-")[1]
    assert first["tracestate"] == "a=1"
    assert (second, third) == ({}, {})


def test_spans_are_recorded_below_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("service.app.open_tracing", lambda _: tracing.Tracing(provider.get_tracer("test")))
    chat = NotingChat()
    with serving(lambda: fake_qa(None, GenerativeReader("chat", chat))) as client:
        client.post("/v1/query", json=QUESTION, headers={"traceparent": PARENT})
    spans = {span.name: span for span in exporter.get_finished_spans()}
    server = spans["POST /v1/query"]
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == PARENT.split("-")[2]
    assert server.attributes is not None
    assert server.attributes["http.response.status_code"] == 200
    assert {"search", "generate", "respond"} <= set(spans)
    assert server.context is not None
    assert chat.headers[0]["traceparent"].split("-")[2] == f"{server.context.span_id:016x}"
    for name in ("search", "generate"):
        parent, stage = spans[name].parent, spans[name]
        assert parent is not None
        assert parent.span_id == server.context.span_id
        assert stage.start_time is not None
        assert server.start_time is not None
        assert stage.start_time >= server.start_time - 5_000_000


class Collector(BaseHTTPRequestHandler):
    """A collector that notes the bytes that come."""

    received: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        self.received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def test_spans_reach_a_collector_by_the_end_and_hold_no_question() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
        with serving(lambda: fake_qa(FakeReader()), otel_endpoint=endpoint) as client:
            client.post("/v1/query", json=QUESTION)
        collector.shutdown()
    assert {path for path, _ in Collector.received} == {"/v1/traces"}
    content = b"".join(body for _, body in Collector.received)
    assert b"POST /v1/query" in content
    assert b"dense-passage-retrieval" in content
    assert b"Hangul" not in content


def test_a_collector_that_is_gone_fails_no_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with serving(fake_qa, otel_endpoint=f"http://127.0.0.1:{port}/v1/traces") as client:
        assert client.post("/v1/retrieve", json=QUESTION).status_code == 200


def test_traces_without_the_extra_are_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingDependencyError, match=r"\[otel\]"):
        tracing.open_tracing("http://127.0.0.1:1/v1/traces")
