"""The images are built and compose is run for real: index a corpus, get healthy, answer, stop. Minutes, so it is slow.

It takes Docker, or podman with podman-compose. ``DPR_TEST_COMPOSE`` names another command for compose, with its
options. ``tests/podman.sh`` runs this file with podman on a Debian machine that reaches no registry of images.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dpr.config import DEFAULT_ENCODER

ROOT = Path(__file__).resolve().parent.parent
BASE_IMAGE = "python:3.11-slim"
PROJECT = "dpr-container-test"
IMAGES = {"service": f"{PROJECT}-service", "build": f"{PROJECT}-builder"}

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
GRACE_S = 20
"""What docker-compose.yml gives the service to stop."""

CONFINEMENT = """
import json, os, pathlib
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
written = []
for folder in ("/", "/index", "/opt/venv", "/source", "/root", "/home", "/tmp", "/cache"):
    try:
        pathlib.Path(folder, "written").write_text("")
        written.append(folder)
    except OSError:
        pass
print(json.dumps({
    "user": os.getuid(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "written": written,
}))
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * BUILD_TIMEOUT_S)]


@dataclass(frozen=True)
class Containers:
    """Compose, and the engine below it, for one throw-away project of its own name."""

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

    def index(self, *arguments: str) -> Any:
        """Run dpr-index by the build profile, with these arguments in place of the file's; return what it reports."""
        run = ("--profile", "build", "run", "--rm", "-T", "build")  # -T: without a terminal, which mixes both streams
        return json.loads(self.run_compose(*run, *arguments, "--json"))

    def service(self) -> str:
        """Return the id of the service's container."""
        labels = {"project": PROJECT, "service": "service"}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        [container] = self.run(self.engine, "ps", "--all", "--quiet", *filters).split()
        return container

    def state(self, container: str) -> dict[str, Any]:
        return dict(json.loads(self.run(self.engine, "container", "inspect", "--format={{json .State}}", container)))

    def logs(self, container: str) -> str:
        done = self.call(self.engine, "logs", container)
        return done.stdout + done.stderr

    def is_healthy(self, container: str) -> bool:
        """Tell whether the image's own check passes; podman without systemd runs it only when it is asked to."""
        if self.engine == "podman":
            return self.call("podman", "healthcheck", "run", container).returncode == 0
        return bool(self.state(container)["Health"]["Status"] == "healthy")


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


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    folder.chmod(0o755)  # the container's user is another one
    lines = [json.dumps(passage, ensure_ascii=False) for passage in PASSAGES]
    (folder / "passages.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory, corpus_folder: Path) -> Iterator[Containers]:
    """Both images, built; at the end nothing of them is left but what the engine's build cache holds."""
    engine, compose = engine_and_compose()
    if not runs(engine, "image", "inspect", BASE_IMAGE) and not runs(engine, "pull", BASE_IMAGE):
        pytest.skip(f"{BASE_IMAGE} is not here, and {engine} cannot pull it")
    own_names = tmp_path_factory.mktemp("compose") / "own-names.yml"
    own_names.write_text(json.dumps({"services": {name: {"image": image} for name, image in IMAGES.items()}}))
    files = ("--file", str(ROOT / "docker-compose.yml"), "--file", str(own_names))
    variables = {"CORPUS_DIR": str(corpus_folder), "PORT": str(free_port())}
    made = Containers(engine, (*compose, *files, "--project-name", PROJECT), variables)
    try:
        for name in IMAGES:  # one after the other: podman-compose would build what they share twice
            made.run_compose("--profile", "build", "build", name, timeout_s=BUILD_TIMEOUT_S)
        yield made
    finally:
        made.call(*made.compose, "--profile", "build", "down", "--volumes")
        made.call(engine, "image", "rm", "--force", *IMAGES.values())


def wait_until_healthy(containers: Containers, container: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not containers.is_healthy(container):
        assert containers.state(container)["Status"] == "running", containers.logs(container)
        assert time.monotonic() < deadline, containers.logs(container)
        time.sleep(1)


def ask(port: str, question: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/query",
        json.dumps({"question": question}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        [result] = json.load(response)["results"]
    return dict(result)


def test_without_an_index_the_service_says_what_to_do(containers: Containers) -> None:
    done = containers.call(*containers.compose, "run", "--rm", "-T", "service")
    assert done.returncode != 0
    assert "/index" in done.stderr + done.stdout
    assert "dpr-index build" in done.stderr + done.stdout


def test_a_corpus_becomes_a_service_that_answers_and_stops(containers: Containers) -> None:
    replace(containers, variables={}).run_compose("--profile", "build", "run", "--rm", "-T", "build")  # the demo
    built = containers.index("build", "--corpus", "/corpus/passages.jsonl", "--output", "/index")
    assert (built["generation"], built["passages"]) == ("000002", len(PASSAGES))
    encoders = [generation["encoder"] for generation in containers.index("list", "/index")]
    assert encoders == [DEFAULT_ENCODER, DEFAULT_ENCODER]

    containers.run_compose("up", "--detach", "service")
    container = containers.service()
    wait_until_healthy(containers, container)
    result = ask(containers.variables["PORT"], QUESTION)
    assert result["answers"][0]["text"] == ANSWER
    assert result["is_answered"]

    confinement = json.loads(containers.run(containers.engine, "exec", container, "python", "-c", CONFINEMENT))
    assert confinement == {"user": 10001, "capabilities": 0, "no_new_privileges": 1, "written": ["/tmp", "/cache"]}  # noqa: S108

    started = time.monotonic()
    containers.run_compose("stop", "service")
    assert time.monotonic() - started < GRACE_S
    state = containers.state(container)
    assert (state["Status"], state["ExitCode"]) == ("exited", 0), containers.logs(container)
    logs = containers.logs(container)
    assert "loading /index" in logs
    assert "ready at http://0.0.0.0:8000: generation 000002" in logs
    assert "stopped by SIGTERM" in logs
    assert "/readyz" not in logs
