"""The rows behind the charts of a report, and the colour of each system."""

from __future__ import annotations

from typing import Any

from dpr.benchmark.failures import clusters
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.verdict import pareto_front

Rows = list[dict[str, Any]]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8B5A2B", "#7F7F7F")
"""Okabe and Ito's colours, which stay apart for colour-blind readers and in print, and two more."""


def colours(report: BenchmarkReport) -> dict[str, str]:
    """Return the colour of each system."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(report.systems)}


def chart_data(report: BenchmarkReport) -> dict[str, Rows]:
    """Return the rows of every chart's data by name; shares are in per cent."""
    return {
        "summary": [
            {"system": name, "metric": metric, **_percent(measured.value, measured.low, measured.high)}
            for name, system in report.systems.items()
            for metric, measured in system.metrics.items()
        ],
        "curve": [
            {"system": name, "k": k, "value": 100 * value}
            for name, system in report.systems.items()
            for k, value in enumerate(system.curve.tolist(), start=1)
        ],
        "points": [
            {"system": name, "k": int(metric.partition("@")[2]), **_percent(each.value, each.low, each.high)}
            for name, system in report.systems.items()
            for metric, each in system.metrics.items()
            if metric.startswith("recall@")
        ],
        "pairs": [
            {"pair": f"{pair.first} − {pair.second}", "significant": pair.is_significant}
            | {"first": pair.first, "second": pair.second, "metric": pair.metric, "p": pair.corrected_p_value}
            | _percent(pair.difference, pair.low, pair.high)
            for pair in report.pairs
        ],
        "cost": [
            {
                "system": name,
                "ms": system.cost.single_ms_p50,
                "front": name in pareto_front(report),
                "value": 100 * system.means[report.primary],
            }
            for name, system in report.systems.items()
            if system.cost
        ],
        "groups": [
            {"trait": group.trait, "group": group.value, "count": group.count, "system": name}
            | _percent(mean.value, mean.low, mean.high)
            for group in report.groups
            for name, mean in group.systems.items()
        ],
        "causes": [
            {"cause": cause, "system": name, "count": count}
            for cause, counts in clusters(report.disagreements, list(report.systems)).items()
            for name, count in counts.items()
        ],
    }


def _percent(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": 100 * value, "low": 100 * low, "high": 100 * high}
