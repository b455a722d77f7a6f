"""A router and its nodes as processes: the hits of one index on real questions, and a node killed under load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dpr.data.intake import UTF8_RULES
from dpr.data.passages import read_examples
from dpr.search.open import open_index
from dpr.types import Passage
from index_builder.from_python import IndexOptions, build_index
from index_builder.split import split
from tests.service.test_real_server import server

DEADLINE_S = 120.0
SHARDS = 3
QUESTIONS = 520


def nodes_of(stack: ExitStack, folders: list[Path]) -> list[tuple[str, Any]]:
    return [stack.enter_context(server("--index", str(folder), "--node")) for folder in folders]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.timeout(400)
def test_a_node_that_is_killed_under_load_costs_no_request_and_comes_back(tmp_path: Path) -> None:
    passages = [Passage(f"p{number}", f"passage {number} of word{number % 7}") for number in range(60)]
    build_index(passages, tmp_path / "index", encoder=None, options=IndexOptions("words"))
    folders = [folder for folder, _ in split(tmp_path / "index", SHARDS, tmp_path / "shards")]
    finished = threading.Event()
    responses: list[tuple[int, dict[str, Any]]] = []

    def ask(address: str) -> None:
        with httpx.Client(base_url=address, timeout=DEADLINE_S) as client:
            while not finished.is_set():
                question = f"word{len(responses) % 7}"
                response = client.post("/v1/retrieve", json={"question": question, "k": 30})
                responses.append((response.status_code, response.json()))

    with ExitStack() as stack:
        nodes = nodes_of(stack, folders)
        addresses = ",".join(address for address, _ in nodes)
        options = ("--nodes", addresses, "--no-reader", "--retriever-default", "bm25", "--cache-mib", "0")
        router, _ = stack.enter_context(server(*options))
        callers = [threading.Thread(target=ask, args=(router,)) for _ in range(2)]
        for caller in callers:
            caller.start()
        try:
            wait_until(lambda: len(responses) > 20)
            address, process = nodes[1]
            process.kill()
            process.wait()
            wait_until(lambda: bool(responses[-1][1]["shards"]["missing"]))
            port = str(urlsplit(address).port)
            stack.enter_context(server("--index", str(folders[1]), "--node", "--port", port))
            started = time.monotonic()
            wait_until(lambda: not responses[-1][1]["shards"]["missing"])
            assert time.monotonic() - started < 15
        finally:
            finished.set()
            for caller in callers:
                caller.join()
    assert {status for status, _ in responses} == {200}
    partial = [body for _, body in responses if body["shards"]["missing"]]
    assert all(entry["shard"] == 2 for body in partial for entry in body["shards"]["missing"])
    assert all("number 2 did not answer" in body["results"][0]["note"] for body in partial)
    rows = range(20, 40)
    for body in partial:
        assert not any(int(hit["passage"]["id"][1:]) in rows for hit in body["results"][0]["hits"])


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_real_questions_get_the_hits_of_one_index(tmp_path: Path, shared_data: Path) -> None:
    source = f"squad:{shared_data / 'squad' / 'dev-v1.1.json'}"
    build_index(source, tmp_path / "index")
    whole = open_index(tmp_path / "index")
    folders = [folder for folder, _ in split(tmp_path / "index", SHARDS, tmp_path / "shards")]
    texts = [example.question.text for example in read_examples(source, UTF8_RULES)]
    questions = texts[:: len(texts) // QUESTIONS][:QUESTIONS]
    with ExitStack() as stack:
        addresses = ",".join(address for address, _ in nodes_of(stack, folders))
        router, _ = stack.enter_context(server("--nodes", addresses, "--no-reader", "--cache-mib", "0"))
        asking = stack.enter_context(httpx.Client(base_url=router, timeout=DEADLINE_S))
        for name in ("bm25", "dense", "hybrid"):
            retriever = whole.retriever(name)
            for question in questions:
                body = asking.post("/v1/retrieve", json={"question": question, "retriever": name, "k": 20}).json()
                assert body["shards"] == {"total": SHARDS, "missing": []}
                hits = [(hit["passage"]["id"], hit["score"]) for hit in body["results"][0]["hits"]]
                assert hits == [(hit.passage_id, hit.score) for hit in retriever.search([question], 20)[0]]
