"""The manifests of Kubernetes against the project, without a cluster: settings, routes, metrics and options exist."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from index_builder.cli import app as index_app
from service.app import create_app
from service.engine import Engine
from service.settings import Settings
from tests.service.fakes import fake_qa, settings_of

ROOT = Path(__file__).resolve().parent.parent / "deploy" / "kubernetes"
FILES = sorted(ROOT.rglob("*.yaml"))


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in FILES:
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path, document


def containers() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the containers of all pods."""
    for path, document in documents():
        spec = document.get("spec", {})
        cluster = spec.get("rayClusterSpec", {})
        groups = [cluster.get("headGroupSpec"), *cluster.get("workerGroupSpecs", ()), spec]
        for group in groups:
            if group and "template" in group:
                yield from ((path, container) for container in group["template"]["spec"]["containers"])


def test_there_are_manifests() -> None:
    kinds = {document["kind"] for _, document in documents()}
    assert {"Deployment", "StatefulSet", "HorizontalPodAutoscaler", "RayJob", "PersistentVolumeClaim"} <= kinds


def test_every_file_is_a_resource_or_a_patch_of_its_folder() -> None:
    for folder in ("service", "shards"):
        kustomization = yaml.safe_load((ROOT / folder / "kustomization.yaml").read_text(encoding="utf-8"))
        patches = [patch["path"] for patch in kustomization.get("patches", ())]
        named = {name for name in [*kustomization["resources"], *patches] if not name.startswith("..")}
        assert named == {path.name for path in (ROOT / folder).glob("*.yaml")} - {"kustomization.yaml"}


def test_every_variable_is_a_setting() -> None:
    names = {entry["name"] for _, container in containers() for entry in container.get("env", ())}
    assert names
    assert {name.removeprefix("DPR_").lower() for name in names} <= set(Settings.model_fields)


def test_every_probe_asks_a_route_that_is_there() -> None:
    application = create_app(settings_of(), Engine(fake_qa))
    paths = set(application.openapi()["paths"])
    probes = [
        (name, container[name]["httpGet"]["path"])
        for _, container in containers()
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
        if name in container
    ]
    assert len(probes) == 6
    assert {path for _, path in probes} <= paths
    assert all((path == "/livez") is (name == "livenessProbe") for name, path in probes)


def test_pods_scale_by_a_metric_that_is_there() -> None:
    application = create_app(settings_of(), Engine(fake_qa))
    text = application.state.metrics.text().decode()
    [scaler] = [document for _, document in documents() if document["kind"] == "HorizontalPodAutoscaler"]
    for metric in scaler["spec"]["metrics"]:
        assert f"\n{metric['pods']['metric']['name']} " in text


def test_the_router_asks_each_pod_of_each_shard() -> None:
    [router] = [document for path, document in documents() if path.name == "router.yaml"]
    [container] = router["spec"]["template"]["spec"]["containers"]
    value = next(entry["value"] for entry in container["env"] if entry["name"] == "DPR_NODES")
    expected = [
        f"http://{name}-{pod}.{document['spec']['serviceName']}:8000"
        for path, document in documents()
        if path.name.startswith("node-") and document["kind"] == "StatefulSet"
        for name in [document["metadata"]["name"]]
        for pod in range(document["spec"]["replicas"])
    ]
    assert [address.strip() for address in value.split(",")] == expected


def test_the_job_of_indexing_has_options_that_exist() -> None:
    [job] = [document for _, document in documents() if document["kind"] == "RayJob"]
    program, subcommand, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert program == "dpr-index"
    command = typer.main.get_command(index_app).commands[subcommand]  # type: ignore[attr-defined]
    options = {flag for parameter in command.params for flag in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("--")} <= options


@pytest.mark.parametrize("folder", ["service", "shards"])
def test_kustomize_renders_them(folder: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    command = ["kubectl", "kustomize", str(ROOT / folder)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    objects = list(yaml.safe_load_all(rendered))
    for item in objects:
        if item["kind"] in ("Deployment", "StatefulSet"):
            [container] = item["spec"]["template"]["spec"]["containers"]
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["readinessProbe"]
            assert container["image"].startswith("dense-passage-retrieval-service:")
    assert len(objects) == {"service": 6, "shards": 13}[folder]
