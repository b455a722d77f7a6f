"""The charts of a report as Vega-Lite specifications: for the page, and for PNG and SVG files.

A specification names its data (``{"name": "curve"}``); `dpr.benchmark.chart_data` gives the rows. The signal
``systems`` chooses which systems a chart shows, so that the page can change it without drawing anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from textwrap import wrap
from typing import Any

from dpr.benchmark.chart_data import COLOURS, chart_data, colours
from dpr.benchmark.report import BenchmarkReport

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
GREY = "#8a8d92"
LABEL_CHARACTERS = 22
"""The length of a line of a label."""


def chart_specs(report: BenchmarkReport, words: Mapping[str, str]) -> dict[str, Spec]:
    """Return the specification of every chart by name, its words in one language."""
    makers: Mapping[str, Callable[[BenchmarkReport, Mapping[str, str]], Spec]] = {
        "summary": _summary,
        "curve": _curve,
        "pairs": _pairs,
        "cost": _cost,
        "groups": _groups,
        "causes": _causes,
    }
    return {name: _framed(report, make(report, words)) for name, make in makers.items()}


def _framed(report: BenchmarkReport, spec: Spec) -> Spec:
    names = list(report.systems)
    params = [{"name": "systems", "value": names}, *spec.pop("params", [])]
    return {"$schema": SCHEMA, "width": "container", "params": params, **spec}


def _is_chosen(field: str = "system") -> Spec:
    return {"filter": f"indexof(systems, datum.{field}) >= 0"}


def _colour(report: BenchmarkReport, *, legend: bool = False) -> Spec:
    scale = {"domain": list(report.systems), "range": list(colours(report).values())}
    shown = {"title": None, "orient": "top", "columns": 3} if legend else None
    return {"field": "system", "type": "nominal", "scale": scale, "legend": shown}


def _translated(words: Mapping[str, str]) -> Spec:
    """Return an axis whose labels are in a language, long ones in several lines: a phone has no room for them."""
    lines = {key: wrap(text, LABEL_CHARACTERS) for key, text in words.items()}
    labels = f"{json.dumps(lines)}[datum.label] || datum.label"
    return {"title": None, "labelLimit": 190, "labelLineHeight": 12, "labelExpr": labels}


def _value_tips(report: BenchmarkReport, words: Mapping[str, str]) -> list[Spec]:
    return [
        {"field": "system", "title": words["system"]},
        {"field": "value", "title": report.primary, "format": ".1f"},
        {"field": "low", "title": f"{words['interval']} ↓", "format": ".1f"},
        {"field": "high", "title": f"{words['interval']} ↑", "format": ".1f"},
    ]


def _interval_layers(title: str, opacity: float, size: int, scale: Mapping[str, bool]) -> list[Spec]:
    """Return a bar from ``low`` to ``high`` and a point at ``value``, on one axis."""
    low: Spec = {"field": "low", "type": "quantitative", "title": title, "axis": {"tickCount": 6}}
    value = {"field": "value", "type": "quantitative"}
    return [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": opacity},
            "encoding": {"x": low | ({"scale": scale} if scale else {}), "x2": {"field": "high"}},
        },
        {"mark": {"type": "point", "filled": True, "size": size, "opacity": 1}, "encoding": {"x": value}},
    ]


def _summary(report: BenchmarkReport, words: Mapping[str, str]) -> Spec:
    order: Spec = {"field": "system", "type": "nominal", "sort": report.ranking, "axis": {"title": None}}
    title = f"{report.primary}, %  ({words['interval']})"
    return {
        "data": {"name": "summary"},
        "height": {"step": 30},
        "transform": [_is_chosen(), {"filter": f"datum.metric === '{report.primary}'"}],
        "encoding": {"y": order, "color": _colour(report), "tooltip": _value_tips(report, words)},
        "layer": _interval_layers(title, 0.5, 90, {"zero": False, "nice": True}),
    }


def _curve(report: BenchmarkReport, words: Mapping[str, str]) -> Spec:
    ks = sorted({row["k"] for row in chart_data(report)["points"]})
    axis = {"values": ks, "format": "d", "grid": False}
    place: Spec = {"field": "k", "type": "quantitative", "scale": {"type": "log"}, "title": words["k"], "axis": axis}
    height: Spec = {"field": "value", "type": "quantitative", "title": "recall@k, %", "scale": {"zero": False}}
    return {
        "height": 300,
        "encoding": {"x": place, "color": _colour(report, legend=True)},
        "layer": [
            {
                "data": {"name": "curve"},
                "transform": [_is_chosen()],
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {"y": height, "strokeDash": {"field": "system", "type": "nominal", "legend": None}},
            },
            {
                "data": {"name": "points"},
                "transform": [_is_chosen()],
                "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.35},
                "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
            },
            {
                "data": {"name": "points"},
                "transform": [_is_chosen()],
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    "y": {"field": "value", "type": "quantitative"},
                    "tooltip": [{"field": "k"}, *_value_tips(report, words)],
                },
            },
        ],
    }


def _pairs(report: BenchmarkReport, words: Mapping[str, str]) -> Spec:
    colour: Spec = {"condition": {"test": "datum.significant", "value": COLOURS[0]}, "value": GREY}
    tips = [
        {"field": "pair", "title": words["pair"]},
        {"field": "value", "title": words["difference"], "format": "+.2f"},
        {"field": "low", "title": f"{words['interval']} ↓", "format": "+.2f"},
        {"field": "high", "title": f"{words['interval']} ↑", "format": "+.2f"},
        {"field": "p", "title": words["corrected p"], "format": ".4f"},
    ]
    order = {"field": "value", "order": "descending"}
    at_zero: Spec = {"x": {"datum": 0, "type": "quantitative"}, "color": {"value": GREY}, "y": None, "tooltip": None}
    return {
        "data": {"name": "pairs"},
        "params": [{"name": "metric", "value": report.primary}],
        "height": {"step": 24},
        "transform": [{"filter": "datum.metric === metric"}, _is_chosen("first"), _is_chosen("second")],
        "encoding": {
            "y": {"field": "pair", "type": "nominal", "sort": order, "axis": {"title": None, "labelLimit": 190}},
            "color": colour,
            "tooltip": tips,
        },
        "layer": [
            *_interval_layers(words["difference"], 0.6, 80, {}),
            {"mark": {"type": "rule", "strokeDash": [4, 4], "color": GREY}, "encoding": at_zero},
        ],
    }


def _cost(report: BenchmarkReport, words: Mapping[str, str]) -> Spec:
    place: Spec = {"field": "ms", "type": "quantitative", "scale": {"type": "log"}, "title": words["single ms"]}
    place["axis"] = {"format": "~g", "grid": False, "tickCount": 5}
    height: Spec = {"field": "value", "type": "quantitative", "title": f"{report.primary}, %"}
    height["scale"] = {"zero": False, "nice": True, "padding": 12}
    tips = [
        {"field": "system", "title": words["system"]},
        {"field": "value", "title": report.primary, "format": ".1f"},
        {"field": "ms", "title": words["single ms"], "format": ".2f"},
    ]
    return {
        "data": {"name": "cost"},
        "height": 280,
        "transform": [_is_chosen()],
        "encoding": {"x": place, "y": height},
        "layer": [
            {
                "transform": [{"filter": "datum.front"}],
                "mark": {"type": "line", "interpolate": "step-after", "color": GREY, "strokeDash": [5, 3]},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 130, "opacity": 1},
                "encoding": {"color": _colour(report, legend=True), "tooltip": tips},
            },
        ],
    }


def _groups(report: BenchmarkReport, words: Mapping[str, str]) -> Spec:
    first = next((group.trait for group in report.groups if group.trait == "overlap"), "language")
    order: Spec = {"field": "count", "op": "max", "order": "descending"}
    rows: Spec = {"field": "group", "type": "nominal", "sort": order, "axis": _translated(words)}
    return {
        "data": {"name": "groups"},
        "params": [{"name": "trait", "value": first}],
        "height": {"step": 11},
        "transform": [{"filter": "datum.trait === trait"}, _is_chosen()],
        "encoding": {
            "y": rows,
            "yOffset": {"field": "system", "type": "nominal", "sort": list(report.systems)},
            "color": _colour(report, legend=True),
            "tooltip": [
                {"field": "group", "title": words["trait"]},
                {"field": "count", "title": words["questions"]},
                *_value_tips(report, words),
            ],
        },
        "layer": _interval_layers(f"{report.primary}, %", 0.4, 60, {"zero": False}),
    }


def _causes(report: BenchmarkReport, words: Mapping[str, str]) -> Spec:
    names = list(dict.fromkeys(row["cause"] for row in chart_data(report)["causes"]))
    return {
        "data": {"name": "causes"},
        "height": {"step": 11},
        "transform": [_is_chosen()],
        "mark": {"type": "bar"},
        "encoding": {
            "y": {"field": "cause", "type": "nominal", "sort": names, "axis": _translated(words)},
            "yOffset": {"field": "system", "type": "nominal", "sort": list(report.systems)},
            "x": {"field": "count", "type": "quantitative", "title": words["misses"], "axis": {"tickMinStep": 1}},
            "color": _colour(report, legend=True),
            "tooltip": [
                {"field": "system", "title": words["system"]},
                {"field": "cause", "title": words["cause"]},
                {"field": "count", "title": words["misses"]},
            ],
        },
    }
