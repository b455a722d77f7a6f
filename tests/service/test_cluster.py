"""The nodes of a router as they should not be: slow, dead, strange, contradicting each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import orjson
import pytest

from dpr.client.bytes_client import BytesClient
from dpr.errors import RequestError
from dpr.store.manifest import FORMAT_VERSION, AnalyzerRecord, EncoderRecord, Manifest, ShardRecord
from service.shards.cluster import Cluster, LostShard, ShardCall
from service.shards.nodes import NOT_REACHED, Node
from service.shards.session import Search, Session
from service.shards.wire import (
    NO_PROVENANCE,
    SHARD_PATH,
    NodeAnswerError,
    ShardState,
    read_lists,
    read_passages,
    write_states,
)

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]

COLLECTION = "c0ffee"
GOOD: dict[str, dict[str, dict[str, Any]]] = {
    "lists": {"bm25": {"rows": [[1]], "scores": [[2.0]], "ids": [["b"]], "windows": None, "coverage": [0.5]}}
}
TIMEOUT_S = 0.6
WRONG: tuple[dict[str, Any], ...] = (
    {"rows": [[1, 2]]},
    {"rows": [[11]]},
    {"rows": [[True]]},
    {"rows": [["1"]]},
    {"rows": [[1], [2]]},
    {"rows": None},
    {"scores": [["2.0"]]},
    {"scores": [[None]]},
    {"scores": [[]]},
    {"ids": [[1]]},
    {"windows": [[[1]]]},
    {"windows": [[[1, "2"]]]},
    {"coverage": [0.5, 0.5]},
    {"coverage": ["x"]},
    {"extra": 1},
)


def state(number: int = 1, collection: str = COLLECTION, **changes: object) -> ShardState:
    shard = ShardRecord(collection, number, 2, (number - 1) * 10, 20)
    analyzer, encoder = AnalyzerRecord("words", "2"), EncoderRecord("e", "f1", 4)
    manifest = Manifest(FORMAT_VERSION, 1, 10, 5, (), encoder, analyzer, {}, {}, NO_PROVENANCE, shard=shard)
    return ShardState(replace(manifest, **changes), ("bm25",))  # type: ignore[arg-type]


def serving(*states: ShardState, answer: Callable[[], Awaitable[httpx.Response]] | None = None) -> Handler:
    async def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == SHARD_PATH:
            return httpx.Response(200, content=write_states(states))
        return await answer() if answer else httpx.Response(200, json=GOOD)

    return handle


async def dead(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


async def slow() -> httpx.Response:
    await asyncio.sleep(30)
    return httpx.Response(200, json=GOOD)


def answering(content: object, status: int = 200) -> Callable[[], Awaitable[httpx.Response]]:
    async def answer() -> httpx.Response:
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        return httpx.Response(status, content=body)

    return answer


@contextmanager
def cluster_of(handlers: Mapping[str, Handler]) -> Iterator[Cluster]:
    async def handle(request: httpx.Request) -> httpx.Response:
        return await handlers[request.url.host](request)

    urls = [f"http://{name}" for name in handlers]
    cluster = Cluster(urls, timeout_s=TIMEOUT_S, look_s=0.05, client=BytesClient(transport=httpx.MockTransport(handle)))
    cluster.start()
    try:
        deadline = time.monotonic() + 5
        while any(node.problem == NOT_REACHED for node in cluster.nodes):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield cluster
    finally:
        cluster.stop()


def ask(cluster: Cluster, *shards: int) -> dict[int, object]:
    reads = partial(read_lists, names=["bm25"], questions=1, k=1)
    call = ShardCall("/v1/shard/lists", {"questions": ["a"]}, reads)
    calls = dict.fromkeys(shards or (1,), call)
    answers = cluster.ask(COLLECTION, calls)
    return {**answers}


def cause_of(cluster: Cluster, shard: int = 1) -> str:
    answer = ask(cluster, shard)[shard]
    assert isinstance(answer, LostShard)
    return answer.cause


def test_a_shard_answers() -> None:
    with cluster_of({"a": serving(state(1))}) as cluster:
        answer = ask(cluster, 1, 2)
        assert not isinstance(answer[1], LostShard)
        assert answer[2] == LostShard("no node serves it")
        assert cluster.nodes.collection() == COLLECTION


def test_a_slow_shard_is_lost_at_its_deadline() -> None:
    with cluster_of({"a": serving(state(1), answer=slow)}) as cluster:
        started = time.monotonic()
        assert "within 0.6 s" in cause_of(cluster)
        assert time.monotonic() - started < TIMEOUT_S + 2


def test_a_replica_is_asked_when_a_node_is_late_or_fails() -> None:
    for bad in (slow, answering(b"nonsense"), answering({}, 500), answering({}, 503)):
        with cluster_of({"a": serving(state(1), answer=bad), "b": serving(state(1))}) as cluster:
            for _ in range(4):
                assert not isinstance(ask(cluster)[1], LostShard)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"[]",
        b"{}",
        {"lists": {}},
        {"lists": {"bm25": None}},
        {"lists": {"bm25": {"rows": [[1]]}}},
        *({"lists": {"bm25": {**GOOD["lists"]["bm25"], **wrong}}} for wrong in WRONG),
    ],
)
def test_what_is_no_answer_loses_the_shard(content: object) -> None:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    with pytest.raises(NodeAnswerError):
        read_lists(body, range(10), ["bm25"], 1, 1)
    with cluster_of({"a": serving(state(1), answer=answering(content))}) as cluster:
        assert "a node fails: the node answered with something else" in cause_of(cluster)
        assert ask(cluster, 1, 2).keys() == {1, 2}


def test_hits_that_come_twice_or_are_too_many_are_no_answer() -> None:
    for rows in ([1, 1], [1, 2, 3]):
        columns = {"rows": [rows], "scores": [[2.0] * len(rows)], "ids": [["b"] * len(rows)]}
        body = orjson.dumps({"lists": {"bm25": {**columns, "windows": None, "coverage": None}}})
        with pytest.raises(NodeAnswerError):
            read_lists(body, range(10), ["bm25"], 1, 2)


@pytest.mark.parametrize("content", [b"x", b"{}", {"passages": [{}]}, {"passages": [{"id": "a"}]}, {"passages": []}])
def test_what_are_no_passages_is_refused(content: object) -> None:
    with pytest.raises(NodeAnswerError):
        read_passages(content if isinstance(content, bytes) else orjson.dumps(content), range(10), ["a"])


def test_passages_of_other_ids_are_refused() -> None:
    entry = {"id": "b", "text": "t", "title": "", "document_id": "", "start": 0, "metadata": {}}
    assert read_passages(orjson.dumps({"passages": [entry]}), range(10), ["b"])[0].text == "t"
    with pytest.raises(NodeAnswerError, match="other passages"):
        read_passages(orjson.dumps({"passages": [entry]}), range(10), ["a"])


def test_a_refusal_of_the_request_is_the_callers() -> None:
    refusal = {"error": {"code": "invalid_request", "message": "there is no field 'month'", "field": "filter"}}
    with cluster_of({"a": serving(state(1), answer=answering(refusal, 422))}) as cluster:
        with pytest.raises(RequestError, match="month") as caught:
            ask(cluster)
        assert caught.value.field == "filter"
        assert not next(iter(cluster.nodes)).problem


@pytest.mark.parametrize(
    "strange",
    [
        state(2, encoder=EncoderRecord("e", "another", 4)),
        state(2, analyzer=AnalyzerRecord("words", "3")),
        state(2, shard=ShardRecord(COLLECTION, 2, 2, 5, 20)),
        state(1, passages=9),
        state(2, shard=ShardRecord(COLLECTION, 2, 3, 10, 20)),
    ],
    ids=["encoder", "analyzer", "rows twice", "other rows", "other number of shards"],
)
def test_a_node_that_contradicts_the_others_is_not_asked(strange: ShardState) -> None:
    with cluster_of({"a": serving(state(1))}) as cluster:
        next(iter(cluster.nodes)).problem = ""
        with pytest.raises(NodeAnswerError, match="contradicts"):
            cluster.nodes.refuse_contradiction(Node("http://b"), {COLLECTION: strange})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"generations": [{}]}',
        write_states([state(3)]),
        write_states([state(1, shard=ShardRecord(COLLECTION, 1, 2, 15, 20))]),
        write_states([state(1, shard=None)]),
        b"[1]",
    ],
)
def test_a_node_that_does_not_tell_what_it_serves_is_not_asked(content: bytes) -> None:
    async def handle(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content)

    with cluster_of({"a": handle, "b": serving(state(1))}) as cluster:
        assert next(iter(cluster.nodes)).problem
        assert not list(cluster.nodes)[1].problem
        assert not isinstance(ask(cluster)[1], LostShard)


def test_a_dead_node_is_not_asked_and_comes_back() -> None:
    handlers: dict[str, Handler] = {"a": dead}
    with cluster_of(handlers) as cluster:
        assert "cannot be reached" in next(iter(cluster.nodes)).problem
        assert cluster.nodes.collection() is None
        handlers["a"] = serving(state(1))
        deadline = time.monotonic() + 5
        while next(iter(cluster.nodes)).problem:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not isinstance(ask(cluster)[1], LostShard)


def test_the_collection_that_covers_most_shards_answers() -> None:
    new = {"a": serving(state(1, "new"), state(1)), "b": serving(state(2))}
    with cluster_of(new) as cluster:
        assert cluster.nodes.collection() == COLLECTION
    with cluster_of({**new, "b": serving(state(2, "new"), state(2))}) as cluster:
        assert cluster.nodes.collection() == "new"
    with cluster_of({**new, "b": dead}) as cluster:
        assert cluster.nodes.collection(COLLECTION) == "new"


def test_a_node_that_comes_back_as_it_is_asked_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[str, Handler] = {"a": dead, "b": serving(state(2), answer=slow)}
    with cluster_of(handlers) as cluster:
        node = next(iter(cluster.nodes))
        ask_nodes = cluster.ask

        def ask_when_it_is_back(*arguments: Any) -> dict[int, Any]:
            handlers["a"] = serving(state(1))
            deadline = time.monotonic() + 5
            while node.problem:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            return ask_nodes(*arguments)

        monkeypatch.setattr(cluster, "ask", ask_when_it_is_back)
        session = Session(cluster, state(2))
        top = session.search(Search(("bm25",), ("a",), 1, None), None)["bm25"]
        assert top.rows.tolist() == [[1]]
        assert session.lost_shards.keys() == {2}
        assert not node.problem


def test_a_node_is_lost_when_two_looks_in_a_row_are_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.shards.cluster.LOOK_S", 0.5)
    serve, late_looks, looks = serving(state(1)), range(2, 3), list[float]()

    async def handle(request: httpx.Request) -> httpx.Response:
        looks.append(time.monotonic())
        if len(looks) in late_looks:
            await asyncio.sleep(30)
        return await serve(request)

    with cluster_of({"a": handle}) as cluster:
        [node] = cluster.nodes
        deadline = time.monotonic() + 30
        while len(looks) < 4:
            assert time.monotonic() < deadline
            assert not node.problem
            time.sleep(0.02)
        late_looks = range(1_000_000)
        while not node.problem:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert node.problem == "it does not answer within 0.5 s"
