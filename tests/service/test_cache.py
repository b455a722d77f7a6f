"""The cache of results: what it holds, what it forgets, and that responses from it are the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.types import Hit
from service import memory
from service.cache import ENTRY_BYTES, ResultCache
from service.memory import MUCH_BYTES, FloodGauge
from service.schemas import QueryResponse, RetrieveResponse
from tests.service.fakes import FakeReader, FakeRetriever, fake_qa, serving

PATHS: dict[str, type[RetrieveResponse] | type[QueryResponse]] = {
    "/v1/retrieve": RetrieveResponse,
    "/v1/query": QueryResponse,
}


def test_the_results_that_were_asked_for_last_stay() -> None:
    cache, qa = ResultCache(2 * (ENTRY_BYTES + 10)), fake_qa()
    for key in ("a", "b"):
        cache.put(qa, key, b"0123456789")
    assert cache.get(qa, "a") == b"0123456789"
    cache.put(qa, "c", b"9876543210")
    assert [cache.get(qa, key) is not None for key in ("a", "b", "c")] == [True, False, True]
    assert (cache.hits, cache.misses) == (3, 1)
    assert cache.size_bytes == 2 * (ENTRY_BYTES + 10)


def test_a_result_is_replaced_and_too_large_a_one_is_not_held() -> None:
    cache, qa = ResultCache(ENTRY_BYTES + 10), fake_qa()
    cache.put(qa, "a", b"0123456789")
    cache.put(qa, "a", b"9876")
    assert cache.get(qa, "a") == b"9876"
    cache.put(qa, "b", b"0" * 11)
    assert cache.get(qa, "b") is None
    assert cache.get(qa, "a") == b"9876"


def test_another_generation_has_results_of_its_own() -> None:
    cache, before, after = ResultCache(10_000), fake_qa(), fake_qa()
    cache.put(before, "a", b"old")
    assert cache.get(after, "a") is None


def test_a_cache_of_no_size_holds_nothing() -> None:
    cache, qa = ResultCache(0), fake_qa()
    cache.put(qa, "a", b"")
    assert cache.get(qa, "a") is None


def answers_of(client: TestClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    PATHS[path].model_validate_json(response.content)
    content: dict[str, Any] = response.json()
    del content["timings"]
    return content


@pytest.mark.parametrize("path", PATHS)
def test_a_question_that_was_asked_before_is_not_computed_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = list[str]()
    search = FakeRetriever.search

    def search_and_note(self: FakeRetriever, questions: Sequence[str], k: int) -> list[list[Hit]]:
        searched.extend(questions)
        return search(self, questions, k)

    monkeypatch.setattr(FakeRetriever, "search", search_and_note)
    with serving(lambda: fake_qa(FakeReader()), cache_mib=1) as client:
        searched.clear()
        first = answers_of(client, path, {"questions": ["the han river", "king sejong"]})
        again = answers_of(client, path, {"questions": ["king sejong", "hangul", "the han river"]})
        assert searched == ["the han river", "king sejong", "hangul"]
        assert [again["results"][row] for row in (2, 0)] == first["results"]
        answers_of(client, path, {"question": "hangul", "k": 3})
        answers_of(client, path, {"question": "hangul", "retriever": "bm25"})
        assert searched[3:] == ["hangul", "hangul"]


def test_memory_is_given_back_after_a_flood_of_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back = threading.Event()
    monkeypatch.setattr(memory, "give_back", given_back.set)
    monkeypatch.setattr(memory, "AFTER_S", 0)

    async def flood(size_bytes: int) -> None:
        gauge = FloodGauge()
        gauge.add(size_bytes)
        gauge.add(10)
        gauge.remove(10)
        assert not given_back.is_set()
        gauge.remove(size_bytes)
        await asyncio.sleep(0.05)

    asyncio.run(flood(MUCH_BYTES - 11))
    assert not given_back.is_set()
    asyncio.run(flood(MUCH_BYTES))
    assert given_back.wait(10)


def test_giving_back_is_no_error() -> None:
    memory.give_back()
