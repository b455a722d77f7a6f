"""A server as its own process: killed while it imports, and given new generations under load."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dpr.search.open import open_index
from dpr.store.generation import publish_again
from dpr.types import Passage
from index_builder.from_python import IndexOptions, build_index
from index_builder.verify import verify_index

DEADLINE_S = 120.0
ROOT = Path(__file__).parents[2]


@contextmanager
def server(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a server on a free port; give its address, once it is ready, and its process, which is killed at last."""
    command = [sys.executable, "-c", "from service.cli import main; main()", "--json", *options]
    command += [] if "--port" in options else ["--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["address"], process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def sparse_index(root: Path) -> None:
    build_index([Passage("first", "the first passage")], root, encoder=None, options=IndexOptions("words"))


def import_until_killed(address: str, process: subprocess.Popen[str], texts: dict[str, str], seed: int) -> None:
    """Import documents until the server dies; note the text of each one that it acknowledged."""
    dice = random.Random(seed)
    threading.Timer(dice.uniform(0.1, 1.5), process.send_signal, (signal.SIGKILL,)).start()
    with httpx.Client(base_url=address, timeout=DEADLINE_S) as client:
        number = 0
        while True:
            number += 1
            batch = {f"d{dice.randrange(300)}": f"round {seed} request {number}" for _ in range(dice.randrange(1, 20))}
            body = "".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in batch.items())
            try:
                response = client.post("/v1/documents", content=body.encode())
            except httpx.TransportError:
                # It may have been accepted all the same; whoever is not told must not count on either.
                for name in batch:
                    texts.pop(name, None)
                return
            assert response.status_code == 202, response.text
            assert json.loads(response.text.splitlines()[-1])["accepted"] == len(batch)
            texts |= batch


def wait_until_applied(address: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        jobs = httpx.get(f"{address}/v1/jobs", params={"limit": 1000}, timeout=DEADLINE_S).json()["jobs"]
        assert all(job["state"] != "failed" for job in jobs), jobs
        if all(job["state"] == "done" for job in jobs):
            return
        assert time.monotonic() < deadline, jobs
        time.sleep(0.05)


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])])
def test_what_is_acknowledged_survives_kills(tmp_path: Path, kills: int) -> None:
    root = tmp_path / "index"
    texts: dict[str, str] = {}
    sparse_index(root)
    options = ("--index", str(root), "--no-reader", "--retriever-default", "bm25", "--allow-writes")
    acknowledged = 0
    for seed in range(kills):
        with server(*options) as (address, process):
            import_until_killed(address, process, texts, seed)
            acknowledged += len(texts)
    with server(*options) as (address, _):
        wait_until_applied(address)
    passages = {passage.id: passage.text for passage in open_index(root).passages}
    assert acknowledged
    assert {name: passages.get(name) for name in texts} == texts
    assert passages["first"] == "the first passage"
    assert verify_index(root).checks


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_fifty_swaps_under_load_fail_no_request(tmp_path: Path) -> None:
    root, swaps = tmp_path / "index", 50
    for number in range(1, 4):
        passages = [Passage(f"{number}-{row}", f"Generation {number} is served from row {row}.") for row in range(6)]
        build_index(passages, root, options=IndexOptions("words"))
    finished = threading.Event()

    def ask_until_finished(address: str, path: str) -> list[dict[str, Any]]:
        bodies = []
        with httpx.Client(base_url=address, timeout=DEADLINE_S) as client:
            while not finished.is_set():
                response = client.post(path, json={"question": "Which generation is served?", "k": 3})
                assert response.status_code == 200, response.text
                bodies.append(response.json())
        return bodies

    with server("--index", str(root), "--reload-interval-s", "0.05") as (address, _), ThreadPoolExecutor(4) as callers:
        paths = ("/v1/retrieve", "/v1/query") * 2
        asking = [callers.submit(ask_until_finished, address, path) for path in paths]
        seen = []
        for swap in range(swaps):
            publish_again(root, 1 + swap % 3)
            deadline = time.monotonic() + DEADLINE_S
            while httpx.get(f"{address}/readyz").json()["generation"] != f"{1 + swap % 3:06d}":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            seen.append(swap)
        finished.set()
        bodies = [body for caller in asking for body in caller.result()]
    assert len(seen) == swaps
    for body in bodies:
        ids = {hit["passage"]["id"] for hit in body["results"][0]["hits"]}
        assert ids
        assert {int(passage_id.split("-")[0]) for passage_id in ids} == {int(body["generation"])}
    assert {body["generation"] for body in bodies} == {"000001", "000002", "000003"}
