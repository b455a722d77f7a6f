"""Permits at the door, and the way from loading to ready."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from dpr.errors import IndexFormatError
from dpr.pipeline import QA
from service.engine import Engine
from service.errors import BusyError, NotReadyError
from tests.service.fakes import FakeReader, fake_qa, serving

QUESTION = {"question": "Who created Hangul?"}
PATIENCE_S = 60.0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def load() -> QA:
    return fake_qa(FakeReader())


class Gate:
    """Holds whoever waits at it until it is opened, and counts them."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.arrived = 0

    def wait(self) -> None:
        self.arrived += 1
        assert self.opened.wait(PATIENCE_S)


def test_it_is_alive_before_it_is_ready() -> None:
    gate = Gate()

    def slow_load() -> QA:
        gate.wait()
        return load()

    with serving(slow_load, ready=False) as client:
        assert client.get("/livez").json() == {"status": "alive"}
        for response in (client.get("/readyz"), client.post("/v1/query", json=QUESTION), client.get("/v1/info")):
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "not_ready"
            assert "still being loaded" in response.json()["error"]["message"]
            assert response.headers["retry-after"] == "7"
        gate.opened.set()
        wait_for(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/readyz").json() == {
            "status": "ready",
            "generation": "000001",
            "is_current": True,
            "shards": None,
        }
        assert client.post("/v1/query", json=QUESTION).status_code == 200


def test_it_is_ready_only_once_it_is_warm() -> None:
    gate = Gate()
    with serving(lambda: fake_qa(FakeReader(gate.wait)), ready=False) as client:
        wait_for(lambda: gate.arrived == 1)
        assert client.get("/readyz").status_code == 503
        gate.opened.set()
        wait_for(lambda: client.get("/readyz").status_code == 200)


@pytest.mark.parametrize("error", [IndexFormatError("there is no index at x"), MemoryError("no memory")])
def test_a_failed_start_is_told(error: Exception) -> None:
    def failing_load() -> QA:
        raise error

    with serving(failing_load, ready=False) as client:
        wait_for(lambda: "could not start" in client.get("/readyz").json()["error"]["message"])
        assert str(error) in client.get("/readyz").json()["error"]["message"]
        assert client.get("/livez").status_code == 200


def test_one_request_too_many_is_refused_and_the_others_are_answered() -> None:
    reader, gate = FakeReader(), Gate()
    with serving(lambda: fake_qa(reader), max_in_flight=2) as client, ThreadPoolExecutor(2) as callers:
        reader.wait = gate.wait
        admitted = [callers.submit(client.post, "/v1/query", json=QUESTION) for _ in range(2)]
        wait_for(lambda: "dpr_jobs 2.0" in client.get("/metrics").text)
        refused = client.post("/v1/query", json=QUESTION)
        assert refused.json()["error"]["code"] == "busy"
        assert refused.headers["retry-after"] == "7"
        assert client.get("/readyz").status_code == 200
        gate.opened.set()
        assert [future.result().status_code for future in admitted] == [200, 200]
        assert client.post("/v1/query", json=QUESTION).status_code == 200


def test_a_full_server_refuses_before_it_parses() -> None:
    reader, gate = FakeReader(), Gate()
    with serving(lambda: fake_qa(reader), max_in_flight=1) as client, ThreadPoolExecutor(1) as callers:
        reader.wait = gate.wait
        admitted = callers.submit(client.post, "/v1/query", json=QUESTION)
        wait_for(lambda: gate.arrived == 1)
        for path in ("/v1/query", "/v1/retrieve", "/v1/explain", "/v1/embeddings"):
            refused = client.post(path, content=b"no JSON")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
            assert refused.headers["retry-after"] == "7"
            assert refused.headers["x-content-type-options"] == "nosniff"
        assert client.get("/v1/query").status_code == 405
        metrics = client.get("/metrics").text
        assert 'route="/v1/explain",status="503"' in metrics
        assert 'dpr_errors_total{code="busy"} 4.0' in metrics
        gate.opened.set()
        assert admitted.result().status_code == 200
        assert client.post("/v1/query", content=b"no JSON").status_code == 422  # no Content-Type


def test_one_piece_of_work_is_computed_at_a_time() -> None:
    reader, gate = FakeReader(), Gate()
    with serving(lambda: fake_qa(reader)) as client, ThreadPoolExecutor(4) as callers:
        reader.wait = gate.wait
        requests = [callers.submit(client.post, "/v1/query", json=QUESTION) for _ in range(4)]
        wait_for(lambda: gate.arrived == 1)
        time.sleep(0.05)
        assert gate.arrived == 1
        gate.opened.set()
        assert {future.result().status_code for future in requests} == {200}


def test_a_failed_piece_of_work_gives_its_permit_back() -> None:
    async def scenario() -> None:
        engine = Engine(load, max_in_flight=1)
        engine.start()
        await engine.loaded()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await engine.run(lambda _qa: 1 / 0)
        assert await engine.run(lambda qa: qa.index.generation) == "000001"
        await engine.stop()

    asyncio.run(scenario())


def test_work_whose_caller_is_gone_keeps_its_permit_until_it_ends() -> None:
    async def scenario() -> None:
        engine, gate = Engine(load, max_in_flight=1), Gate()
        engine.start()
        await engine.loaded()
        caller = asyncio.create_task(engine.run(lambda _qa: gate.wait()))
        await asyncio.to_thread(wait_for, lambda: gate.arrived == 1)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        with pytest.raises(BusyError):
            await engine.run(lambda _qa: None)
        gate.opened.set()
        # The only worker is free, and with it the permit, once the next piece of work is let in.
        await asyncio.to_thread(time.sleep, 0.05)
        await engine.run(lambda _qa: None)
        await engine.stop()

    asyncio.run(scenario())


def test_work_that_waits_for_a_caller_who_is_gone_is_dropped() -> None:
    async def scenario() -> None:
        engine, gate = Engine(load, max_in_flight=2), Gate()
        engine.start()
        await engine.loaded()
        first = asyncio.create_task(engine.run(lambda _qa: gate.wait()))
        await asyncio.to_thread(wait_for, lambda: gate.arrived == 1)
        waiting = asyncio.create_task(engine.run(lambda _qa: gate.wait()))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        third = asyncio.create_task(engine.run(lambda _qa: "done"))
        gate.opened.set()
        assert await third == "done"
        await first
        assert gate.arrived == 1
        await engine.stop()

    asyncio.run(scenario())


def test_nothing_is_run_before_it_is_loaded() -> None:
    with pytest.raises(NotReadyError, match="still being loaded"):
        Engine(load).ready()


def test_stopping_while_loading_is_no_error() -> None:
    async def scenario() -> None:
        gate = Gate()

        def slow_load() -> QA:
            gate.wait()
            return load()

        engine = Engine(slow_load)
        engine.start()
        await asyncio.to_thread(wait_for, lambda: gate.arrived == 1)
        await engine.stop()
        await asyncio.sleep(0)
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await engine.loaded()
        with pytest.raises(NotReadyError, match="shutting down"):
            engine.ready()

    asyncio.run(scenario())
