"""Compose for real, and the engine below it, for one throw-away project."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE_IMAGE = "python:3.11-slim"
PROJECT = "dpr-container-test"
IMAGES = {"service": f"{PROJECT}-service", "build": f"{PROJECT}-builder", "ray-head": f"{PROJECT}-ray"}

PASSAGES = [
    {"id": "halla", "title": "한라산", "text": "한라산은 제주도에 있는 산이다. 정상에는 화산 호수인 백록담이 있다."},
    {"id": "sejong", "title": "세종대왕", "text": "세종대왕은 1443년에 훈민정음을 창제하고 1446년에 반포하였다."},
    {
        "id": "blue",
        "title": "Deep Blue",
        "text": "Deep Blue was a chess computer made by IBM. It beat Kasparov in 1997.",
    },
    {"id": "busan", "title": "부산", "text": "부산은 대한민국 제2의 도시이며 가장 큰 항구가 있다."},
]
QUESTION, ANSWER = "한라산 정상에 있는 호수의 이름은?", "백록담"

BUILD_TIMEOUT_S = 3600
STEP_TIMEOUT_S = 900
READY_TIMEOUT_S = 600


@dataclass(frozen=True)
class Containers:
    """Compose with its files and the project's name, and the engine below it."""

    engine: str
    compose: tuple[str, ...]
    variables: dict[str, str]

    def call(self, *command: str, timeout_s: int = STEP_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=os.environ | self.variables, capture_output=True, text=True, timeout=timeout_s
        )

    def run(self, *command: str, timeout_s: int = STEP_TIMEOUT_S) -> str:
        """Return what a command prints on stdout; one that fails fails the test, with all that it said."""
        done = self.call(*command, timeout_s=timeout_s)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run_compose(self, *arguments: str, timeout_s: int = STEP_TIMEOUT_S) -> str:
        return self.run(*self.compose, *arguments, timeout_s=timeout_s)

    def run_once(self, profile: str, *arguments: str) -> str:
        """Run a service of a profile to its end; -T: without a terminal, which mixes both streams."""
        return self.run_compose("--profile", profile, "run", "--rm", "-T", *arguments)

    def index(self, *arguments: str) -> Any:
        """Run dpr-index by the build profile, with these arguments in place of the file's; return what it reports."""
        output = self.run_once("build", "build", *arguments, "--json")
        return json.loads(re.sub(r"\A(?:[0-9a-f]{64}\n)+", "", output))  # podman-compose tells the id of a new network

    def container(self, service: str) -> str:
        """Return the id of a service's container."""
        labels = {"project": PROJECT, "service": service}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        [container] = self.run(self.engine, "ps", "--all", "--quiet", *filters).split()
        return container

    def execute(self, container: str, *command: str) -> str:
        """Return what a command prints in a container."""
        return self.run(self.engine, "exec", container, *command)

    def state(self, container: str) -> dict[str, Any]:
        return dict(json.loads(self.run(self.engine, "container", "inspect", "--format={{json .State}}", container)))

    def logs(self, container: str) -> str:
        done = self.call(self.engine, "logs", container)
        return done.stdout + done.stderr

    def is_healthy(self, container: str) -> bool:
        """Tell whether the check passes; podman without systemd runs it only when it is asked to."""
        if self.engine == "podman":
            return self.call("podman", "healthcheck", "run", container).returncode == 0
        return bool(self.state(container)["Health"]["Status"] == "healthy")

    def start(self, profile: str, service: str, *options: str) -> str:
        """Start a service of a profile, wait until it is healthy, and return the id of its container."""
        self.run_compose("--profile", profile, "up", "--detach", *options, service)
        container = self.container(service)
        self.wait_until_healthy(container)
        return container

    def wait_until_healthy(self, container: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.is_healthy(container):
            assert self.state(container)["Status"] == "running", self.logs(container)
            assert time.monotonic() < deadline, self.logs(container)
            time.sleep(1)

    def has_image(self, image: str) -> bool:
        """Tell whether an image is here, or can be pulled."""
        return runs(self.engine, "image", "inspect", image) or runs(self.engine, "pull", image)

    def ask(self, question: str, key: str = "") -> dict[str, Any]:
        """Ask the service at its published port."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.variables['PORT']}/v1/query", json.dumps({"question": question}).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            [result] = json.load(response)["results"]
        return dict(result)


def runs(*command: str) -> bool:
    """Tell whether a program is here and succeeds."""
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


def engine_and_compose() -> tuple[str, tuple[str, ...]]:
    """Return the engine and the command for compose, or skip where there are none."""
    if chosen := shlex.split(os.environ.get("DPR_TEST_COMPOSE", "")):
        return ("docker" if Path(chosen[0]).name.startswith("docker") else "podman"), tuple(chosen)
    if runs("docker", "compose", "version") and runs("docker", "info"):
        return "docker", ("docker", "compose")
    if runs("podman", "info") and runs("podman-compose", "--version"):
        return "podman", ("podman-compose",)
    pytest.skip("neither docker compose nor podman with podman-compose runs here")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
