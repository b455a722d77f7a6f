"""The images are built and compose is run for real: index a corpus, get healthy, answer, stop. Minutes, so it is slow.

It takes Docker, or podman with podman-compose. ``DPR_TEST_COMPOSE`` names another command for compose, with its
options. ``tests/containers/podman.sh`` runs this folder with podman on a Debian machine that reaches no registry of
images.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from dpr.config import DEFAULT_ENCODER
from tests.containers.compose_project import ANSWER, BUILD_TIMEOUT_S, PASSAGES, PROJECT, QUESTION, Containers

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


@pytest.fixture(autouse=True)
def no_index(containers: Containers) -> None:
    """Remove the index of other tests."""
    containers.run_compose("down")
    containers.call(containers.engine, "volume", "rm", "--force", f"{PROJECT}_index")


def test_without_an_index_the_service_says_what_to_do(containers: Containers) -> None:
    done = containers.call(*containers.compose, "run", "--rm", "-T", "service")
    assert done.returncode != 0
    assert "/index" in done.stderr + done.stdout
    assert "dpr-index build" in done.stderr + done.stdout


def test_a_corpus_becomes_a_service_that_answers_and_stops(containers: Containers) -> None:
    replace(containers, variables={}).run_once("build", "build")  # the demo
    built = containers.index("build", "--corpus", "/corpus/passages.jsonl", "--output", "/index")
    assert (built["generation"], built["passages"]) == ("000002", len(PASSAGES))
    encoders = [generation["encoder"] for generation in containers.index("list", "/index")]
    assert encoders == [DEFAULT_ENCODER, DEFAULT_ENCODER]

    containers.run_compose("up", "--detach", "service")
    container = containers.container("service")
    containers.wait_until_healthy(container)
    result = containers.ask(QUESTION)
    assert result["answers"][0]["text"] == ANSWER
    assert result["is_answered"]

    confinement = json.loads(containers.execute(container, "python", "-c", CONFINEMENT))
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
