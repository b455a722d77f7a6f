"""The dashboard and Prometheus's settings against the metrics and the documentation that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from service.routes.metrics import router

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "service.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def labels_of(client: TestClient) -> dict[str, set[str]]:
    """Return the labels of each sample, with the names that Prometheus gives them."""
    client.post("/v1/query", json={"question": "Who created Hangul?"})
    client.get("/nothing")
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def targets() -> list[tuple[str, dict[str, Any]]]:
    return [(panel["title"], target) for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_has_panels_that_do_not_overlap() -> None:
    assert len(DASHBOARD["panels"]) >= 12
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        position = panel["gridPos"]
        assert position["x"] + position["w"] <= 24
        covered = {
            (position["x"] + column, position["y"] + row)
            for column in range(position["w"])
            for row in range(position["h"])
        }
        assert not covered & cells, panel["title"]
        cells |= covered


@pytest.mark.parametrize(("title", "target"), targets())
def test_a_panel_asks_for_metrics_and_labels_that_exist(
    title: str, target: dict[str, Any], labels_of: dict[str, set[str]]
) -> None:
    expression = target["expr"]
    names = set(re.findall(r"\b(?:dpr|process|python)_\w+", expression))
    assert names, title
    assert names <= set(labels_of), title
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    filtered = set(re.findall(r"(\w+)\s*(?:=~|!=|=)\s*\"", expression))
    known = set().union(*(labels_of[name] for name in names))
    assert grouped | filtered <= known, title
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= grouped, title


def test_every_metric_of_ours_is_on_the_dashboard_and_in_the_documentation(labels_of: dict[str, set[str]]) -> None:
    shown = " ".join(target["expr"] for _, target in targets())
    documented = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for sample in labels_of:
        if sample.startswith("dpr_") and not sample.endswith("_created"):
            family = re.sub(r"_(bucket|sum|count|total)$", "", sample)
            assert family in shown, family
            assert f"`{family}`" in documented or f"`{family}_total`" in documented, family


def test_prometheus_asks_the_service_of_compose_at_the_path_that_there_is() -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    [job] = settings["scrape_configs"]
    [[target]] = [entry["targets"] for entry in job["static_configs"]]
    name, _, port = target.partition(":")
    assert compose["services"][name]["ports"][0].endswith(f":{port}")
    assert job.get("metrics_path", "/metrics") in {getattr(route, "path", "") for route in router.routes}


def test_grafana_finds_its_dashboard_and_its_source() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    sources, providers = (
        yaml.safe_load((provisioning / path).read_text(encoding="utf-8"))[key]
        for path, key in (("datasources/prometheus.yml", "datasources"), ("dashboards/dashboards.yml", "providers"))
    )
    [source], [provider] = sources, providers
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in compose["services"]["grafana"]["volumes"]
    assert all(panel["datasource"]["uid"] == source["uid"] for panel in DASHBOARD["panels"])
    assert source["url"].startswith("http://prometheus:")
