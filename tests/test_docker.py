"""The container files against the project, without a container: everything that they name is there.

``tests/containers`` builds the images and runs them, which takes minutes.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from dpr.errors import ConfigError
from dpr.models.openvino_cache import FOLDER_VARIABLE
from index_builder import cli as builder_cli
from service import cli as service_cli
from service.security.exposure import check_exposure
from service.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
STORES = {"DPR_POSTGRES", "DPR_MILVUS_URI", "DPR_MILVUS_TOKEN"}
"""Variables of the stores, which are no settings of the service."""

SERVERS = {"service", "prometheus", "grafana", "postgres", "etcd", "minio", "milvus", "ray-head", "ray-worker"}

KEYS = """build cap_drop command cpus depends_on entrypoint environment healthcheck image mem_limit ports profiles
read_only restart security_opt shm_size stop_grace_period tmpfs user volumes"""
"""The keys of compose's specification that are used."""

COMMANDS = {"dpr-index": builder_cli.app, "dpr-serve": service_cli.app}

Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def stages() -> dict[str, list[Instruction]]:
    """The Dockerfile's stages by name, each its instructions, those of the stages it starts from first."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    instructions = [line.partition(" ") for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()]
    found: dict[str, list[Instruction]] = {}
    for word, _, rest in instructions:
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = list(found.get(base, [("FROM", base)]))
        elif word != "ARG" or found:
            found[name].append((word, rest))
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def last(stage: list[Instruction], word: str) -> str:
    return [rest for name, rest in stage if name == word][-1]


def environment(stage: list[Instruction]) -> dict[str, str]:
    pairs = [pair for name, rest in stage if name == "ENV" for pair in shlex.split(rest)]
    return dict(pair.split("=", 1) for pair in pairs)


def check_arguments(command_name: str, arguments: list[str]) -> None:
    """Check that our command has the subcommand and every flag of an argument list."""
    command = typer.main.get_command(COMMANDS[command_name])
    if isinstance(command, TyperGroup) and not arguments[0].startswith("-"):
        command = command.commands[arguments[0]]
    options = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
    flags = {argument for argument in arguments if argument.startswith("--")}
    assert flags <= options, f"{command_name} has no {flags - options}"


def test_both_targets_run_our_commands(stages: dict[str, list[Instruction]]) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    for target, command in {"service": "dpr-serve", "builder": "dpr-index"}.items():
        [entry] = json.loads(last(stages[target], "ENTRYPOINT"))
        assert entry == command
        assert entry in scripts
    check_arguments("dpr-index", json.loads(last(stages["builder"], "CMD")))


@pytest.mark.parametrize("target", ["service", "builder"])
def test_neither_runs_as_root(stages: dict[str, list[Instruction]], target: str) -> None:
    user = last(stages[target], "USER")
    assert user not in ("root", "0")
    assert any(re.search(rf"useradd .*\b{user}\b", rest) for word, rest in stages[target] if word == "RUN")


@pytest.mark.parametrize("target", ["service", "builder"])
def test_the_base_is_slim_and_has_the_openmp_library(stages: dict[str, list[Instruction]], target: str) -> None:
    assert stages[target][0] == ("FROM", "python:3.11-slim")
    assert any("libgomp1" in rest for word, rest in stages[target] if word == "RUN")


def test_the_service_is_healthy_when_it_is_ready(stages: dict[str, list[Instruction]]) -> None:
    options, _, command = last(stages["service"], "HEALTHCHECK").partition(" CMD ")
    interpreter, flag, program = json.loads(command)
    assert (interpreter, flag) == ("python", "-c")
    compile(program, "healthcheck", "exec")
    assert "/readyz" in program
    assert "--start-period" in options


def test_the_service_is_set_up_by_settings_that_exist(stages: dict[str, list[Instruction]]) -> None:
    variables = {name: value for name, value in environment(stages["service"]).items() if name.startswith("DPR_")}
    del variables[FOLDER_VARIABLE]
    assert {name.removeprefix("DPR_").lower() for name in variables} <= set(Settings.model_fields)
    settings = load_settings(**{name.removeprefix("DPR_").lower(): value for name, value in variables.items()})
    assert ip_address(settings.host).is_unspecified
    assert last(stages["service"], "EXPOSE") == str(settings.port)


def test_everything_that_is_copied_is_there_and_not_ignored(stages: dict[str, list[Instruction]]) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    copies = {rest for stage in stages.values() for word, rest in stage if word == "COPY" and "--from" not in rest}
    for source in {source for copy in copies for source in shlex.split(copy)[:-1]}:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored


def test_the_package_and_its_models_are_laid_over_its_dependencies(stages: dict[str, list[Instruction]]) -> None:
    package, service = stages["package"], stages["service"]
    install = ("RUN", "pip install --no-deps --prefix /package .")
    assert package.index(("COPY", "models models")) < package.index(install)
    environment_first = ("COPY", "--from=dependencies /opt/venv /opt/venv")
    assert service.index(environment_first) < service.index(("COPY", "--from=package /package /opt/venv"))
    installed = "/opt/venv/lib/python3.11/site-packages/dpr/bundled"
    assert any(f"ln -s {installed} /models" in rest for word, rest in service if word == "RUN")


def test_no_layer_of_the_dependencies_changes_with_the_code(stages: dict[str, list[Instruction]]) -> None:
    [copy] = [rest for word, rest in stages["dependencies"] if word == "COPY"]
    assert copy == "requirements.lock pyproject.toml deploy/check_hashes.py ./"


def test_both_use_the_default_models(compose: dict[str, Any], stages: dict[str, list[Instruction]]) -> None:
    """A command of one's own replaces the file's, so a model named there would be another one than elsewhere."""
    assert not {"DPR_ENCODER", "DPR_READER"} & environment(stages["service"]).keys()
    for service in compose["services"].values():
        assert not {"DPR_ENCODER", "DPR_READER"} & service.get("environment", {}).keys()
        assert not {"--encoder", "--reader"} & set(service.get("command", []))


def test_the_installation_is_locked_and_its_extras_exist(stages: dict[str, list[Instruction]]) -> None:
    [step] = [rest for word, rest in stages["dependencies"] if word == "RUN" and "pip install" in rest]
    assert "-c pins.txt -r dependencies.txt --report report.json" in step
    assert step.endswith("python check_hashes.py requirements.lock report.json")
    arguments = dict(rest.split("=", 1) for word, rest in stages["dependencies"] if word == "ARG")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(arguments["EXTRAS"].split(",")) <= set(project["optional-dependencies"])
    assert arguments["TORCH_INDEX"] == "https://download.pytorch.org/whl/cpu"


def test_the_dependencies_are_those_of_the_project(stages: dict[str, list[Instruction]]) -> None:
    """Run the program of that step: its output is what pip installs."""
    [step] = [rest for word, rest in stages["dependencies"] if word == "RUN" and "dependencies.txt" in rest]
    [extras] = [rest for word, rest in stages["dependencies"] if rest.startswith("EXTRAS=")]
    script = step.partition(" > dependencies.txt")[0].replace("python -c", f"{shlex.quote(sys.executable)} -c")
    done = subprocess.run(["sh", "-c", f"{extras}; {script}"], cwd=ROOT, capture_output=True, text=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = [project["optional-dependencies"][name] for name in extras.removeprefix("EXTRAS=").split(",")]
    assert done.stdout.splitlines() == [*project["dependencies"], *itertools.chain.from_iterable(optional)]


def test_compose_builds_targets_that_exist(compose: dict[str, Any], stages: dict[str, list[Instruction]]) -> None:
    ours = {name: service for name, service in compose["services"].items() if "build" in service}
    assert {name: service["build"]["target"] for name, service in ours.items()} == {
        "service": "service",
        "keys": "service",
        "build": "builder",
        "ray-head": "builder",
        "ray-worker": "builder",
    }
    assert all(service["build"]["target"] in stages for service in ours.values())


def test_compose_serves_a_read_only_index_to_this_machine_alone(compose: dict[str, Any]) -> None:
    service = compose["services"]["service"]
    assert service["volumes"] == ["index:/index:ro", "cache:/cache", "keys:/keys:ro"]
    assert service["ports"] == ["${BIND_ADDRESS:-127.0.0.1}:${PORT:-8000}:8000"]
    assert "profiles" not in service


def test_compose_starts_without_keys_only_where_this_machine_alone_can_ask(compose: dict[str, Any]) -> None:
    """The container listens everywhere; the address that its port is published at decides."""
    variables = compose["services"]["service"]["environment"]
    assert {name.removeprefix("DPR_").lower() for name in variables.keys() - STORES} <= set(Settings.model_fields)
    for bind_address, is_refused in (("", False), ("0.0.0.0", True), ("127.0.0.1", False)):  # noqa: S104
        assert variables["DPR_PUBLISHED_ADDRESS"] == "${BIND_ADDRESS:-127.0.0.1}"
        settings = load_settings(index="/index", host="0.0.0.0", published_address=bind_address or "127.0.0.1")  # noqa: S104
        with pytest.raises(ConfigError) if is_refused else nullcontext():
            check_exposure(settings)


def test_compose_makes_keys_where_the_service_reads_them(compose: dict[str, Any]) -> None:
    keys = compose["services"]["keys"]
    assert keys["profiles"] == ["keys"]
    assert keys["volumes"] == ["keys:/keys"]
    assert keys["entrypoint"] == ["dpr-serve", "keys"]
    assert "keys" in compose["volumes"]


def test_compose_runs_all_with_as_little_as_they_need(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["tmpfs"]


def test_converted_models_are_kept_on_the_disk(compose: dict[str, Any], stages: dict[str, list[Instruction]]) -> None:
    """They have as many bytes as the models, which /tmp would take from the memory, and are needed at each start."""
    for name in ("service", "build"):
        service = compose["services"][name]
        stage = stages[service["build"]["target"]]
        folder = environment(stage)[FOLDER_VARIABLE]
        assert f"cache:{folder}" in service["volumes"]
        assert folder in json.loads(last(stage, "VOLUME"))
        assert any(re.search(rf"install .*--owner dpr .*{folder}\b", rest) for word, rest in stage if word == "RUN")
    assert "cache" in compose["volumes"]


def test_every_other_cache_lies_in_memory(compose: dict[str, Any], stages: dict[str, list[Instruction]]) -> None:
    for service in compose["services"].values():
        if "build" not in service:
            continue
        stage = stages[service["build"]["target"]]
        [writable] = [PurePosixPath(mount.partition(":")[0]) for mount in service["tmpfs"]]
        for name in ("HOME", "NUMBA_CACHE_DIR", "HF_HOME", "MPLCONFIGDIR"):
            assert PurePosixPath(environment(stage)[name]).is_relative_to(writable), name
        assert PurePosixPath(last(stage, "WORKDIR")).is_relative_to(writable)


def test_compose_builds_the_index_once_by_profile(compose: dict[str, Any]) -> None:
    build = compose["services"]["build"]
    assert build["profiles"] == ["build"]
    assert build["volumes"][0] == "index:/index"
    assert "index" in compose["volumes"]
    assert "restart" not in build
    check_arguments("dpr-index", build["command"])


def test_compose_indexes_files_of_the_demo(compose: dict[str, Any]) -> None:
    build = compose["services"]["build"]
    assert "${CORPUS_DIR:-./examples/demo}:/corpus:ro" in build["volumes"]
    sources = [argument for argument in build["command"] if argument.startswith("squad:")]
    assert sources
    for source in sources:
        assert (ROOT / "examples" / "demo" / source.removeprefix("squad:/corpus/")).is_file()


def test_the_grace_of_compose_outlasts_that_of_the_service(compose: dict[str, Any]) -> None:
    grace = compose["services"]["service"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > Settings.model_fields["shutdown_grace_s"].default


def test_the_pictures_of_the_metrics_are_of_this_machine_alone(compose: dict[str, Any]) -> None:
    for name in ("prometheus", "grafana"):
        service = compose["services"][name]
        assert service["profiles"] == ["metrics"]
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in compose["volumes"]


def test_compose_says_only_what_its_specification_has(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service.keys() <= set(KEYS.split())
    profiles = {profile for service in compose["services"].values() for profile in service.get("profiles", ())}
    assert profiles == {"build", "keys", "metrics", "postgres", "milvus", "ray"}


def test_every_server_of_compose_is_looked_after(compose: dict[str, Any]) -> None:
    """Each has a health check, of its image or here, and a limit of memory; only ours and Grafana publish a port."""
    for name in SERVERS:
        service = compose["services"][name]
        assert name == "service" or service["healthcheck"]["test"][0] == "CMD"
        assert service["mem_limit"]
        assert "ports" not in service or name in ("service", "grafana")
        for dependency, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in compose["services"][dependency]


def test_every_volume_of_compose_is_declared_and_used(compose: dict[str, Any]) -> None:
    mounts = [mount.partition(":")[0] for service in compose["services"].values() for mount in service["volumes"]]
    named = {mount for mount in mounts if not mount.startswith((".", "$"))}
    assert named == set(compose["volumes"])


def test_the_example_of_settings_has_every_variable_and_its_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    variables = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    lines = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    variables["KEYS_FILE"] = ""  # the command of keys has another default
    assert lines == variables


def test_each_image_has_the_extras_of_the_settings(compose: dict[str, Any]) -> None:
    """What the service is to open, the builder writes: both are built with the same extras."""
    for name in ("service", "keys", "build"):
        assert compose["services"][name]["build"]["args"]["EXTRAS"] == "${EXTRAS:-service,report}"


def test_workers_of_ray_send_the_token_and_share_objects_in_memory(compose: dict[str, Any]) -> None:
    for name in ("ray-head", "ray-worker"):
        service = compose["services"][name]
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        [size] = [word for word in service["entrypoint"] if word.startswith("--object-store-memory=")]
        assert int(size.partition("=")[2]) < 2e9  # of RAY_SHARED_MEMORY's 2g; else Ray uses the disk


def test_every_named_volume_of_an_image_of_ours_is_writable_for_its_user(
    compose: dict[str, Any], stages: dict[str, list[Instruction]]
) -> None:
    """A new volume takes over the owner that its folder has in the image; without one, it is root's."""
    for service in compose["services"].values():
        if "build" not in service:
            continue
        [owned] = [
            step
            for word, rest in stages[service["build"]["target"]]
            if word == "RUN"
            for step in rest.split("&&")
            if "--owner dpr" in step
        ]
        mounts = [mount.split(":") for mount in service["volumes"] if mount.partition(":")[0] in compose["volumes"]]
        assert {mount[1] for mount in mounts} <= set(owned.split())


def test_a_profile_for_ray_has_an_image_with_ray(compose: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in ("ray-head", "ray-worker"):
        extras = compose["services"][name]["build"]["args"]["EXTRAS"].split(",")
        assert "ray" in extras
        assert set(extras) <= set(project["optional-dependencies"])
