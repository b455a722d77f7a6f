"""New generations take over without a failed request, and several indexes are served by name."""

from __future__ import annotations

import gc
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from dpr.errors import ConfigError, IndexFormatError
from dpr.pipeline import QA
from dpr.store.generation import publish_again, remove_generations, rewrite_current
from dpr.store.manifest import FusionRecord
from dpr.types import Passage
from service.app import create_app
from service.engine import Engine
from service.indexes import ServedIndex
from service.models import FairLock
from service.settings import load_settings
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import FakeIndex, fake_qa, settings_of
from tests.service.routing import wait_until
from tests.small_index import small_index

DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[HashEncoder]:
    """Have indexes load a small encoder; return those that were loaded."""
    encoders: list[HashEncoder] = []

    def load(*_: object) -> HashEncoder:
        encoders.append(HashEncoder())
        return encoders[-1]

    monkeypatch.setattr("dpr.search.resources._load_encoder", load)
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    return encoders


@contextmanager
def serving(*indexes: Path | str, **given: Any) -> Iterator[TestClient]:
    settings = settings_of(**{"index": list(indexes), "no_reader": True, "reload_interval_s": 0.0, **given})
    engine = Engine.from_settings(settings)
    with TestClient(create_app(settings, engine), raise_server_exceptions=False) as client:
        assert client.portal is not None
        client.portal.call(engine.loaded)
        yield client


def publish(root: Path, number: int) -> None:
    """Publish a generation whose passages name it."""
    passages = [Passage(f"{number}-{row}", f"served is passage {row} of generation {number}") for row in range(4)]
    assert small_index(root, passages).generation == number


def ask(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/retrieve", json={"question": "which generation is served", "k": 3, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def wait_for_generation(client: TestClient, generation: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while client.get("/readyz").json()["generation"] != generation:
        assert time.monotonic() < deadline, f"generation {generation} was not noticed"
        time.sleep(0.01)


def is_consistent(body: dict[str, Any]) -> bool:
    ids = [hit["passage"]["id"] for hit in body["results"][0]["hits"]]
    return bool(ids) and {int(passage_id.split("-")[0]) for passage_id in ids} == {int(body["generation"])}


def test_a_new_generation_is_noticed_and_shares_the_models(tmp_path: Path, loaded: list[HashEncoder]) -> None:
    root = tmp_path / "index"
    publish(root, 1)
    with serving(root, reload_interval_s=0.02) as client:
        assert ask(client)["generation"] == "000001"
        publish(root, 2)
        wait_for_generation(client, "000002")
        assert is_consistent(ask(client))
        assert len(loaded) == 1
        publish_again(root, 1)
        wait_for_generation(client, "000001")


def test_a_generation_is_let_go_when_its_last_request_has_ended(tmp_path: Path) -> None:
    root = tmp_path / "index"
    publish(root, 1)
    with serving(root) as client:
        ask(client)
        engine = cast("FastAPI", client.app).state.engine
        before = weakref.ref(engine.ready())
        publish(root, 2)
        gc.collect()
        gc.disable()  # reference counts suffice
        try:
            assert client.post("/v1/reload").json()["changed"] == ["default"]
            wait_until(lambda: before() is None)
        finally:
            gc.enable()


def test_a_generation_published_while_the_first_one_is_loaded_answers_in_the_end(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    opened, go_on = threading.Event(), threading.Event()
    generations = iter(("000001", "000002"))

    def load() -> QA:
        qa = fake_qa()
        cast("FakeIndex", qa.index).generation = next(generations)
        if qa.generation == "000001":
            opened.set()
            assert go_on.wait(DEADLINE_S)
        return qa

    index = ServedIndex("default", load, tmp_path)
    loading = threading.Thread(target=index.load)
    loading.start()
    assert opened.wait(DEADLINE_S)
    publish(tmp_path, 2)
    reloading = threading.Thread(target=index.reload, kwargs={"again": True})
    reloading.start()
    reloading.join(0.1)
    go_on.set()
    loading.join(DEADLINE_S)
    reloading.join(DEADLINE_S)
    assert index.snapshot.generation == "000002"


def test_a_rewritten_manifest_of_the_same_generation_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "index"
    publish(root, 1)
    with serving(root) as client:
        fusion = FusionRecord("minmax", {"dense": 1.0, "bm25": 3.0}, 0.0, 60.0)
        rewrite_current(root, lambda manifest: replace(manifest, fusion=fusion))
        assert client.post("/v1/reload").json()["changed"] == ["default"]
        assert ask(client)["fusion"]["method"] == "minmax"
        assert client.post("/v1/reload").json()["changed"] == []


def test_swaps_under_load_fail_no_request_and_mix_no_generations(tmp_path: Path) -> None:
    root, generations, swaps = tmp_path / "index", 4, 12
    for number in range(1, generations + 1):
        publish(root, number)
    finished = threading.Event()
    with serving(root, max_in_flight=64) as client, ThreadPoolExecutor(3) as callers:

        def ask_until_finished() -> list[dict[str, Any]]:
            bodies = []
            while not finished.is_set():
                bodies.append(ask(client))
            return bodies

        asking = [callers.submit(ask_until_finished) for _ in range(3)]
        for swap in range(swaps):
            publish_again(root, 1 + swap % generations)
            assert client.post("/v1/reload").status_code == 200
        finished.set()
        bodies = [body for caller in asking for body in caller.result()]
    assert all(map(is_consistent, bodies))
    assert len({body["generation"] for body in bodies}) > 1


def test_a_damaged_generation_is_shown_and_the_one_before_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "index"
    publish(root, 1)
    with serving(root) as client:
        publish(root, 2)
        path = next((root / "generations" / "000002").rglob("bm25.npy"))
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        for _ in range(2):
            refused = client.post("/v1/reload")
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "reload_failed")
        assert "bm25.npy has changed" in refused.json()["error"]["message"]
        assert str(tmp_path) not in refused.text
        assert is_consistent(ask(client))
        ready = client.get("/readyz").json()
        assert (ready["status"], ready["generation"], ready["is_current"]) == ("ready", "000001", False)
        [shown] = client.get("/v1/indexes").json()["indexes"]
        assert (shown["generation"], "cannot be served" in shown["problem"]) == ("000001", True)
        assert client.get("/v1/info").json()["problem"] == shown["problem"]
        path.write_bytes(good)
        assert client.post("/v1/reload").json()["changed"] == ["default"]
        assert client.get("/readyz").json()["is_current"]
        assert ask(client)["generation"] == "000002"


def test_a_damaged_generation_is_tried_once_by_itself(tmp_path: Path) -> None:
    root, tried = tmp_path / "index", []
    publish(root, 1)

    def load() -> Any:
        tried.append(1)
        raise IndexFormatError("it is damaged")

    index = ServedIndex("default", load, root)
    index._snapshot = Any  # type: ignore[assignment]
    with pytest.raises(Exception, match="generation"):
        index.reload()
    assert index.reload() is False
    assert len(tried) == 1


def test_a_server_outlives_the_folder_of_its_index(tmp_path: Path) -> None:
    root = tmp_path / "index"
    publish(root, 1)
    publish(root, 2)
    publish_again(root, 1)
    with serving(root, reload_interval_s=0.02) as client:
        publish_again(root, 2)
        remove_generations(root, 0)
        shutil.rmtree(root)
        for retriever in ("dense", "bm25", "tfidf", "hybrid"):
            assert is_consistent(ask(client, retriever=retriever))
        publish(root, 1)
        wait_for_generation(client, "000001")


def test_several_indexes_are_served_by_name(tmp_path: Path, loaded: list[HashEncoder]) -> None:
    for name, count in (("english", 1), ("korean", 2)):
        for number in range(1, count + 1):
            publish(tmp_path / name, number)
    with serving(f"en={tmp_path / 'english'}", f"ko={tmp_path / 'korean'}") as client:
        listed = client.get("/v1/indexes").json()["indexes"]
        assert [(item["name"], item["is_default"], item["generation"]) for item in listed] == [
            ("en", True, "000001"),
            ("ko", False, "000002"),
        ]
        assert listed[1]["passages"] == 4
        assert listed[1]["encoder"]["name"] == "hash-encoder"
        for asked, answered, generation in ((None, "en", "000001"), ("en", "en", "000001"), ("ko", "ko", "000002")):
            body = ask(client, index=asked)
            assert (body["index"], body["generation"]) == (answered, generation)
            assert is_consistent(body)
        unknown = client.post("/v1/retrieve", json={"question": "which", "index": "fr"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_index")
        assert unknown.json()["error"]["field"] == "index"
        assert "choose from en, ko" in unknown.json()["error"]["message"]
        publish(tmp_path / "korean", 3)
        assert client.post("/v1/reload", params={"index": "en"}).json()["changed"] == []
        assert client.post("/v1/reload").json()["changed"] == ["ko"]
        assert len(loaded) == 1


def test_each_index_has_the_default_retriever_that_suits_it(tmp_path: Path) -> None:
    publish(tmp_path / "whole", 1)
    small_index(tmp_path / "sparse", encoder=None)
    with serving(str(tmp_path / "whole"), f"sparse={tmp_path / 'sparse'}") as client:
        listed = client.get("/v1/indexes").json()["indexes"]
        assert [item["retriever_default"] for item in listed] == ["hybrid", "bm25"]
        assert [set(item["retrievers"]) for item in listed] == [{"dense", "bm25", "tfidf", "hybrid"}, {"bm25", "tfidf"}]
        assert ask(client)["retriever"] == "hybrid"
        assert ask(client, index="sparse")["retriever"] == "bm25"
        refused = client.post("/v1/retrieve", json={"question": "which", "index": "sparse", "retriever": "hybrid"})
        assert refused.status_code == 422
        assert "no vectors for the retriever 'hybrid'" in refused.json()["error"]["message"]
    with serving(str(tmp_path / "sparse")) as client:
        assert client.get("/v1/info").json()["retriever_default"] == "bm25"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("folder", [("default", "folder")]),
        ("a=b", [("a", "b")]),
        ("./a=b", [("default", "./a=b")]),
        ("ko=x/y,en=z,u", [("ko", "x/y"), ("en", "z,u")]),
        ("plain,ko=x", [("default", "plain"), ("ko", "x")]),
        (["one", "two=2"], [("default", "one"), ("two", "2")]),
    ],
)
def test_indexes_are_given_by_path_or_by_name_and_path(given: Any, expected: list[tuple[str, str]]) -> None:
    assert [(index.name, str(index.path)) for index in load_settings(index=given).index] == [
        (name, str(Path(path))) for name, path in expected
    ]


@pytest.mark.parametrize("given", [["a", "b"], "x=1,x=2"])
def test_two_indexes_of_one_name_are_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"--index .or DPR_INDEX. is wrong: two indexes are called"):
        load_settings(index=given)


def test_the_environment_names_several_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPR_INDEX", "ko=/a,en=/b")
    assert [index.name for index in load_settings(index=None).index] == ["ko", "en"]


def test_a_fair_lock_is_given_in_the_order_of_those_who_wait() -> None:
    lock, order = FairLock(), []
    lock.__enter__()
    threads = []
    for number in range(4):

        def take(number: int = number) -> None:
            with lock:
                order.append(number)

        threads.append(threading.Thread(target=take))
        threads[-1].start()
        deadline = time.monotonic() + DEADLINE_S
        while len(lock._waiting) <= number:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    lock.__exit__(None, None, None)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]
