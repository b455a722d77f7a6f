"""The metrics of a server, in the text format of Prometheus at ``/metrics``.

Each application has a registry of its own, so that two in one process do not mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.cache import ResultCache
from service.engine import Engine
from service.errors import NotReadyError
from service.shards.routed import RoutedIndex
from service.telemetry.shards import ShardMetrics
from service.telemetry.times import RequestTimes
from service.work import PieceFacts

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Bounds of the buckets of times, seconds."""

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Bounds of the buckets of batch sizes."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
OTHER_LABEL = "other"
"""Label of methods and paths that this server does not have: what callers invent must not become a label."""


class _CacheCollector(Collector):
    """Reads the counts that the cache keeps itself."""

    def __init__(self, cache: ResultCache) -> None:
        self._cache = cache

    def collect(self) -> Iterable[Metric]:
        """Yield hits, misses and bytes."""
        yield CounterMetricFamily("dpr_cache_hits", "Results that the cache had.", value=self._cache.hits)
        yield CounterMetricFamily("dpr_cache_misses", "Results that it did not have.", value=self._cache.misses)
        yield GaugeMetricFamily("dpr_cache_bytes", "Memory of the cached results.", value=self._cache.size_bytes)


class Metrics:
    """Counts what the middleware and the scheduler tell, and reads from the engine what it is asked for."""

    def __init__(self, engine: Engine) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._requests = Counter("dpr_requests", "Requests answered.", ("route", "method", "status"), registry=registry)
        self._seconds = Histogram(
            "dpr_request_seconds", "Time to the start of the response.", ("route",), buckets=SECONDS, registry=registry
        )
        self._errors = Counter("dpr_errors", "Errors answered, by their code.", ("code",), registry=registry)
        self._queue = Histogram(
            "dpr_queue_seconds", "Time that a request waited for its turns.", buckets=SECONDS, registry=registry
        )
        labels = ("stage",)
        self._stage = Histogram("dpr_stage_seconds", "Time of a batch.", labels, buckets=SECONDS, registry=registry)
        self._batch_requests = Histogram(
            "dpr_batch_requests", "Requests computed together in a batch.", labels, buckets=SIZES, registry=registry
        )
        self._batch_items = Histogram(
            "dpr_batch_items", "Questions, passages or results in a batch.", labels, buckets=SIZES, registry=registry
        )
        self._tokens = Counter("dpr_tokens", "Tokens computed, about.", labels, registry=registry)
        self._in_progress = Gauge("dpr_requests_in_progress", "Requests not answered yet.", registry=registry)
        names = ("index",)
        self._generation = Gauge("dpr_index_generation", "Number of the served generation.", names, registry=registry)
        self._passages = Gauge("dpr_index_passages", "Passages of the served generation.", names, registry=registry)
        self._is_current = Gauge(
            "dpr_index_current", "0 where a newer generation cannot be served.", names, registry=registry
        )
        registry.register(_CacheCollector(engine.cache))
        if isinstance(engine.indexes.default, RoutedIndex):
            ShardMetrics(engine.indexes.default, registry)
        self._engine = engine
        self._watch_engine(engine)

    def _watch_engine(self, engine: Engine) -> None:
        self._gauge("dpr_ready", "1 where questions are answered, 0 while loading.", lambda: _ready(engine))
        self._gauge("dpr_jobs_waiting", "Requests that wait for their turn.", lambda: engine.scheduler.waiting)
        self._gauge("dpr_jobs", "Requests that hold a permit.", lambda: engine.in_flight)
        self._gauge("dpr_jobs_limit", "Permits, as DPR_MAX_IN_FLIGHT says.", lambda: engine.max_in_flight)

    def _gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def started(self) -> None:
        """Count a request that came in."""
        self._in_progress.inc()

    def ended(self) -> None:
        """Count a request whose answer is sent, or whose client is gone."""
        self._in_progress.dec()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a response that begins.

        Args:
            route: the path as the application declares it, ``OTHER_LABEL`` for one that it does not have.
            method: of HTTP.
            status: of HTTP.
            seconds: since the request came in.
        """
        self._requests.labels(route, method if method in METHODS else OTHER_LABEL, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def failed(self, code: str) -> None:
        """Count an error by its code."""
        self._errors.labels(code).inc()

    def waited(self, times: RequestTimes) -> None:
        """Count how long a computed request waited."""
        if times.stages:
            self._queue.observe(times.queue_s)

    def piece(self, facts: PieceFacts) -> None:
        """Count a batch that was computed."""
        self._stage.labels(facts.operation).observe(facts.seconds)
        self._batch_requests.labels(facts.operation).observe(facts.requests)
        self._batch_items.labels(facts.operation).observe(facts.items)
        self._tokens.labels(facts.operation).inc(facts.tokens)

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        if _ready(self._engine):
            for index in self._engine.indexes:
                qa = index.snapshot
                self._passages.labels(index.name).set(len(qa.index.passages))
                self._is_current.labels(index.name).set(index.problem is None)
                if qa.generation.isdecimal():
                    self._generation.labels(index.name).set(int(qa.generation))
        return generate_latest(self.registry)


def _ready(engine: Engine) -> int:
    try:
        engine.ready()
    except NotReadyError:
        return 0
    return 1
