"""A router over nodes answers as one server of the whole index does, and says what it lacks where a node is lost."""

from __future__ import annotations

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dpr.client import Client
from dpr.search.fusion import Fusion
from dpr.search.open import OpenIndex
from dpr.types import Passage
from index_builder.from_python import IndexOptions, build_index
from index_builder.split import split
from service.shards.wire import SHARD_PATH, read_states
from tests.service.routing import DEADLINE_S, PASSAGES, QUESTIONS, SHARDS, build, hits_of, node, router, wait_until


@pytest.mark.parametrize("name", ["bm25", "tfidf", "dense", "hybrid"])
@pytest.mark.parametrize("k", [1, 7, 100])
def test_hits_scores_and_order_are_those_of_one_index(
    routed: httpx.Client, whole: OpenIndex, name: str, k: int
) -> None:
    for question in QUESTIONS:
        expected = [(hit.passage_id, hit.score) for hit in whole.retriever(name).search([question], k)[0]]
        assert hits_of(routed, question, retriever=name, k=k) == expected


@pytest.mark.parametrize("method", ["rrf", "minmax", "raw"])
def test_every_fusion_is_that_of_one_index(routed: httpx.Client, whole: OpenIndex, method: str) -> None:
    weights = {"dense": 0.3, "bm25": 0.7}
    retriever = whole.retriever("hybrid", Fusion(method, weights))
    for question in QUESTIONS[:12]:
        expected = [(hit.passage_id, hit.score) for hit in retriever.search([question], 9)[0]]
        assert hits_of(routed, question, fusion=method, weights=weights, k=9) == expected


def test_a_response_has_all_that_one_of_the_whole_index_has(routed: httpx.Client, whole: OpenIndex) -> None:
    result = routed.post("/v1/retrieve", json={"questions": QUESTIONS[:5], "k": 4}).json()["results"][3]
    (hits,) = whole.retriever("hybrid").search([QUESTIONS[3]], 4)
    for found_hit, hit in zip(result["hits"], hits, strict=True):
        assert found_hit["passage"] == whole.passages[hit.row].to_dict()
        for name, entry in hit.lists.items():
            assert found_hit["lists"][name]["rank"] == entry.rank
            assert found_hit["lists"][name]["contribution"] == entry.contribution
    assert hits[0].weighing is not None
    assert result["weighing"] == hits[0].weighing.to_dict()


def test_a_filter_is_that_of_one_index(routed: httpx.Client, whole: OpenIndex) -> None:
    from dpr.filters import parse

    condition = {"field": "year", "operator": ">=", "value": 2004}
    retriever = whole.retriever("hybrid", filter=parse(condition))
    for question in QUESTIONS[:8]:
        expected = [(hit.passage_id, hit.score) for hit in retriever.search([question], 5)[0]]
        assert hits_of(routed, question, k=5, filter=condition) == expected
    refused = routed.post("/v1/retrieve", json={"question": "a", "filter": {**condition, "field": "month"}})
    assert refused.status_code == 422
    assert "month" in refused.json()["error"]["message"]


def test_it_reads_the_passages_of_the_nodes(routed: httpx.Client) -> None:
    response = routed.post("/v1/query", json={"question": "winter song", "k": 3}).json()
    assert response["shards"] == {"total": SHARDS, "missing": []}
    assert response["results"][0]["answers"][0]["text"]


def test_what_it_cannot_do_is_refused_in_a_sentence(routed: httpx.Client) -> None:
    assert routed.put("/v1/documents/a", json={"text": "a"}).status_code == 403


def test_its_metrics_have_the_shards(routed: httpx.Client) -> None:
    hits_of(routed, "moon")
    text = routed.get("/metrics").text
    assert "dpr_shards 3.0" in text
    assert 'dpr_shard_nodes{shard="2"} 1.0' in text
    assert 'dpr_shard_requests_total{outcome="answered",shard="1"}' in text


def test_a_lost_shard_is_said_is_not_cached_and_comes_back(
    folders: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    ask = {"question": "winter bridge", "k": 100}
    with node(folders[0]) as first, node(folders[2]) as third, ExitStack() as lost:
        second = lost.enter_context(node(folders[1]))
        with router([first, second, third], cache_mib=1) as asking:
            complete = asking.post("/v1/retrieve", json={**ask, "k": 99}).json()
            assert complete["shards"]["missing"] == []
            lost.close()
            partial = asking.post("/v1/retrieve", json=ask).json()
            assert [entry["shard"] for entry in partial["shards"]["missing"]] == [2]
            assert 0 < len(partial["results"][0]["hits"]) < len(complete["results"][0]["hits"])
            assert "of 3 shards, number 2 did not answer" in partial["results"][0]["note"]
            assert asking.get("/readyz").json()["shards"]["missing"][0]["shard"] == 2
            with Client(str(asking.base_url)) as client, caplog.at_level("WARNING", "dpr.client"):
                assert client.retrieve("winter bridge")
            assert "of 3 shards, these did not answer: 2" in caplog.text
            metrics = asking.get("/metrics").text
            assert re.search(r"^dpr_partial_searches_total [1-9]", metrics, re.MULTILINE), metrics
            with node(folders[1], port=urlsplit(second).port or 0):
                wait_until(lambda: not asking.get("/readyz").json()["shards"]["missing"])
                again = asking.post("/v1/retrieve", json=ask).json()
                assert again["shards"]["missing"] == []
                assert again["results"][0]["hits"] != partial["results"][0]["hits"]


def test_a_replica_takes_over_at_once(folders: list[Path]) -> None:
    with ExitStack() as nodes, ExitStack() as lost:
        addresses = [nodes.enter_context(node(folder)) for folder in folders]
        addresses.append(lost.enter_context(node(folders[1])))
        with router(addresses) as asking:
            expected = hits_of(asking, "winter bridge", k=30)
            wait_until(lambda: 'dpr_shard_nodes{shard="2"} 2.0' in asking.get("/metrics").text)
            lost.close()
            for _ in range(4):
                assert hits_of(asking, "winter bridge", k=30) == expected


def test_a_full_node_tells_what_it_serves(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its routers would take it for lost."""
    arrived, opened = threading.Event(), threading.Event()

    def search_lists(*_: object) -> bytes:
        arrived.set()
        assert opened.wait(DEADLINE_S)
        return b"{}"

    monkeypatch.setattr("service.shards.node.search_lists", search_lists)
    with node(folders[0], max_in_flight=1) as address, httpx.Client(base_url=address, timeout=DEADLINE_S) as asking:
        (state,) = read_states(asking.get(SHARD_PATH).content)
        ask = {"collection": state.shard.collection, "questions": ["river"], "lists": ["bm25"], "k": 1}
        with ThreadPoolExecutor(1) as callers:
            admitted = callers.submit(asking.post, f"{SHARD_PATH}/lists", json=ask)
            assert arrived.wait(DEADLINE_S)
            assert asking.post(f"{SHARD_PATH}/lists", json=ask).json()["error"]["code"] == "busy"
            assert read_states(asking.get(SHARD_PATH).content) == [state]
            assert asking.head(SHARD_PATH).status_code == 200
            opened.set()
            assert admitted.result().status_code == 200


def test_without_any_shard_it_says_503(folders: list[Path]) -> None:
    with ExitStack() as nodes:
        addresses = [nodes.enter_context(node(folder)) for folder in folders]
        with router(addresses) as asking:
            nodes.close()
            response = asking.post("/v1/retrieve", json={"question": "winter"})
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "shards_lost"
            assert response.headers["retry-after"]


def test_a_router_that_starts_first_waits_and_says_for_what(folders: list[Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    later = f"http://127.0.0.1:{port}"
    with node(folders[0]) as first, node(folders[1]) as second, router([first, second, later], waits=False) as asking:
        assert asking.get("/readyz").status_code == 503
        wait_until(lambda: "2 of 3 nodes answer" in asking.get("/readyz").text)
        assert str(port) not in asking.get("/readyz").text
        with node(folders[2], port=port):
            wait_until(lambda: asking.get("/readyz").status_code == 200)
            assert hits_of(asking, "winter")


def test_the_next_collection_takes_over_when_all_shards_have_it(tmp_path: Path) -> None:
    build(tmp_path / "index")
    folders = [folder for folder, _ in split(tmp_path / "index", SHARDS, tmp_path / "shards")]
    with ExitStack() as nodes:
        addresses = [nodes.enter_context(node(folder)) for folder in folders]
        with router(addresses) as asking:
            before = hits_of(asking, "winter bridge")
            later = build(tmp_path / "index", [*PASSAGES, Passage("new", "winter bridge winter bridge", title="river")])
            split(tmp_path / "index", SHARDS, tmp_path / "shards")
            for position, address in enumerate(addresses):
                assert httpx.post(f"{address}/v1/reload").status_code == 200
                time.sleep(0.3)  # the router has looked
                if position < SHARDS - 1:
                    assert asking.post("/v1/reload").json()["changed"] == []
                    assert hits_of(asking, "winter bridge") == before
            wait_until(lambda: bool(asking.post("/v1/reload").json()["changed"]))
            expected = [
                (hit.passage_id, hit.score) for hit in later.retriever("hybrid").search(["winter bridge"], 10)[0]
            ]
            assert "new" in dict(expected)
            assert hits_of(asking, "winter bridge") == expected


def test_a_node_that_is_lost_under_load_costs_no_request(folders: list[Path]) -> None:
    finished = threading.Event()
    responses: list[Any] = []
    failures: list[Any] = []

    def ask(address: str) -> None:
        with httpx.Client(base_url=address, timeout=DEADLINE_S) as client:
            number = 0
            while not finished.is_set():
                number += 1
                question = QUESTIONS[number % len(QUESTIONS)]
                response = client.post("/v1/retrieve", json={"question": question, "k": 5})
                (responses if response.status_code == 200 else failures).append(response.json())

    with node(folders[0]) as first, node(folders[2]) as third, ExitStack() as lost:
        second = lost.enter_context(node(folders[1]))
        with router([first, second, third], max_in_flight=8) as asking:
            callers = [threading.Thread(target=ask, args=(str(asking.base_url),)) for _ in range(3)]
            for caller in callers:
                caller.start()
            wait_until(lambda: len(responses) > 20)
            lost.close()
            wait_until(lambda: any(response["shards"]["missing"] for response in responses))
            with node(folders[1], port=urlsplit(second).port or 0):
                seen_before = len(responses)
                wait_until(lambda: any(not body["shards"]["missing"] for body in responses[seen_before:]))
                finished.set()
                for caller in callers:
                    caller.join()
    assert failures == []


def test_a_collection_without_vectors_is_asked_by_bm25(tmp_path: Path) -> None:
    build_index(PASSAGES, tmp_path / "index", encoder=None, options=IndexOptions("words"))
    with ExitStack() as nodes:
        folders = [folder for folder, _ in split(tmp_path / "index", SHARDS, tmp_path / "shards")]
        with router([nodes.enter_context(node(folder)) for folder in folders]) as asking:
            assert asking.get("/v1/info").json()["retriever_default"] == "bm25"
            assert hits_of(asking, QUESTIONS[0]) == hits_of(asking, QUESTIONS[0], retriever="bm25")
            refused = asking.post("/v1/retrieve", json={"question": QUESTIONS[0], "retriever": "hybrid"})
            assert refused.status_code == 422
            assert "; ask bm25 or tfidf" in refused.json()["error"]["message"]
