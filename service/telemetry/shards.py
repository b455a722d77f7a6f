"""The metrics of a router: its shards, their nodes, and how these answer."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.shards.cluster import NodeAttempt
from service.shards.routed import RoutedIndex

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Bounds of the buckets of a node's answers, seconds."""


class ShardMetrics(Collector):
    """Counts what the nodes do, and reads which of them answer."""

    def __init__(self, routed: RoutedIndex, registry: CollectorRegistry) -> None:
        self._routed = routed
        labels = ("shard", "outcome")
        self._attempts = Counter("dpr_shard_requests", "Requests to nodes, by outcome.", labels, registry=registry)
        self._seconds = Histogram(
            "dpr_shard_seconds", "Time of a node's answer.", ("shard",), buckets=SECONDS, registry=registry
        )
        routed.cluster.observe = self.attempt
        registry.register(self)

    def attempt(self, attempt: NodeAttempt) -> None:
        """Count a request to a node."""
        self._attempts.labels(str(attempt.shard), attempt.outcome).inc()
        if attempt.outcome == "answered":
            self._seconds.labels(str(attempt.shard)).observe(attempt.seconds)

    def collect(self) -> Iterable[Metric]:
        """Yield the shards, the nodes that answer for each, and the searches that went without a shard."""
        total, nodes = self._routed.shards()
        yield GaugeMetricFamily("dpr_shards", "Shards of the collection that is served.", value=total)
        of_shards = GaugeMetricFamily("dpr_shard_nodes", "Nodes that answer for a shard.", labels=["shard"])
        for number, count in nodes.items():
            of_shards.add_metric([str(number)], count)
        yield of_shards
        partial = self._routed.cluster.partial_searches
        yield CounterMetricFamily("dpr_partial_searches", "Searches that went without a shard.", value=partial)
