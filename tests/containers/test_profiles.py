"""The other profiles of docker-compose.yml for real: keys, metrics, postgres, ray.

Images of others that are neither here nor can be pulled are not tested. ``podman.sh`` makes what stands in for those of
Prometheus and PostgreSQL of Debian's packages.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from tests.containers.compose_project import (
    ANSWER,
    BUILD_TIMEOUT_S,
    PASSAGES,
    QUESTION,
    READY_TIMEOUT_S,
    ROOT,
    Containers,
)

SCRAPED_WITHIN_S = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * BUILD_TIMEOUT_S)]


@pytest.fixture(autouse=True)
def stopped(containers: Containers) -> Iterator[None]:
    """Stop what a test has started."""
    yield
    containers.call(*containers.compose, "--profile", "metrics", "--profile", "postgres", "--profile", "ray", "down")


@pytest.fixture
def indexed(containers: Containers) -> Containers:
    containers.index("build", "--corpus", "/corpus/passages.jsonl", "--output", "/index")
    return containers


def need_image(containers: Containers, service: str) -> None:
    """Skip where the image of a service is not to be had."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    image = compose["services"][service]["image"]
    if not containers.has_image(image):
        pytest.skip(f"{image} is not here, and {containers.engine} cannot pull it")


def query_metrics(containers: Containers, prometheus: str, query: str) -> list[Any]:
    address = f"http://127.0.0.1:9090/api/v1/query?query={urllib.parse.quote(query)}"
    answer = json.loads(containers.execute(prometheus, "wget", "--quiet", "-O", "-", address))
    assert answer["status"] == "success"
    return list(answer["data"]["result"])


def queries_of(part: Any) -> Iterator[str]:
    """Yield the queries of a dashboard."""
    for name, value in part.items() if isinstance(part, dict) else enumerate(part):
        if name == "expr":
            yield value.replace("$__rate_interval", "1m")
        elif isinstance(value, dict | list):
            yield from queries_of(value)


def test_a_key_of_the_profile_keys_is_the_one_that_the_service_asks_for(indexed: Containers) -> None:
    guarded = replace(indexed, variables=indexed.variables | {"KEYS_FILE": "/keys/keys.json"})
    key = next(
        line
        for line in guarded.run_once("keys", "keys", "add", "laptop", "--scope", "read").splitlines()
        if line.startswith("dpr_")
    )
    assert "laptop" in guarded.run_once("keys", "keys")
    guarded.run_compose("up", "--detach", "service")
    guarded.wait_until_healthy(guarded.container("service"))
    with pytest.raises(urllib.error.HTTPError) as refusal:
        guarded.ask(QUESTION)
    refusal.value.close()
    assert refusal.value.code == 401
    assert guarded.ask(QUESTION, key)["answers"][0]["text"] == ANSWER


def test_prometheus_asks_the_service_and_answers_every_query_of_the_dashboard(indexed: Containers) -> None:
    need_image(indexed, "prometheus")
    indexed.run_compose("up", "--detach", "service")
    indexed.wait_until_healthy(indexed.container("service"))
    indexed.ask(QUESTION)
    prometheus = indexed.start("metrics", "prometheus")
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    while not query_metrics(indexed, prometheus, 'sum(rate(dpr_requests_total{job="dpr"}[1m])) >= 0'):
        assert time.monotonic() < deadline, indexed.logs(prometheus)
        time.sleep(1)
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/service.json").read_text(encoding="utf-8"))
    queries = list(queries_of(dashboard))
    assert queries
    for query in queries:
        query_metrics(indexed, prometheus, query)


def test_an_index_in_postgres_answers_and_outlives_a_restart_of_the_database(containers: Containers) -> None:
    need_image(containers, "postgres")
    postgres = containers.start("postgres", "postgres")
    built = containers.index(
        "build", "--corpus", "/corpus/passages.jsonl", "--output", "/index", "--dense-kind", "postgres-hnsw"
    )
    assert built["dense_kind"] == "postgres-hnsw"
    containers.run_compose("up", "--detach", "service")
    containers.wait_until_healthy(containers.container("service"))
    assert containers.ask(QUESTION)["answers"][0]["text"] == ANSWER
    containers.run_compose("--profile", "postgres", "restart", "postgres")
    containers.wait_until_healthy(postgres)
    assert containers.ask(QUESTION)["answers"][0]["text"] == ANSWER


def test_a_head_and_a_worker_build_an_index(containers: Containers) -> None:
    containers.run_compose("--profile", "ray", "build", "ray-head", timeout_s=BUILD_TIMEOUT_S)
    head = containers.start("ray", "ray-head")
    containers.start("ray", "ray-worker")
    deadline = time.monotonic() + READY_TIMEOUT_S  # a worker's check asks the head, which may not have it yet
    while (nodes := containers.execute(head, "ray", "status", "--address", "ray-head:6379")).count(" node_") < 2:
        assert time.monotonic() < deadline, nodes
    command = ("dpr-index", "build", "--corpus", "/corpus/passages.jsonl", "--output", "/index", "--json")
    on_ray = ("--runner", "ray", "--ray-address", "ray-head:6379", "--ray-storage", "/work")
    built = json.loads(containers.execute(head, *command, *on_ray))
    assert built["passages"] == len(PASSAGES)
    containers.execute(head, "dpr-index", "verify", "/index")
