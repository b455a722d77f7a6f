"""Documents over HTTP: on the disk when acknowledged, applied once, told of as jobs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.errors import ConfigError, DataError
from dpr.search.open import open_index
from dpr.store.generation import read_all, read_current
from dpr.store.layout import IndexLayout
from dpr.store.lock import writer_lock
from dpr.types import FloatArray, Passage, Progress, no_progress
from index_builder import update
from index_builder.local_sources import path_of
from service.app import create_app
from service.engine import Engine
from service.jobs import applier as applier_module
from service.jobs.document import Change, put_change, read_lines
from service.jobs.inbox import Inbox
from service.jobs.job import JobIds
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import settings_of
from tests.small_index import small_index

DEADLINE_S = 30.0
ENDED = ("done", "failed", "cancelled")


class SlowEncoder(HashEncoder):
    """Waits before it encodes passages, where a test asks for that."""

    gate = threading.Event()

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        assert self.gate.wait(DEADLINE_S)
        return super().encode_passages(passages, progress)


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    SlowEncoder.gate = threading.Event()
    SlowEncoder.gate.set()
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: SlowEncoder())
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    monkeypatch.setattr(applier_module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(applier_module, "REPORT_EVERY_S", 0.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_index(tmp_path / "index")
    return tmp_path / "index"


@contextmanager
def serving(root: Path, **given: Any) -> Iterator[TestClient]:
    settings = settings_of(
        **{"index": root, "no_reader": True, "allow_writes": True, "reload_interval_s": 0.0, **given}
    )
    engine = Engine.from_settings(settings)
    with TestClient(create_app(settings, engine), raise_server_exceptions=False) as client:
        assert client.portal is not None
        client.portal.call(engine.loaded)
        yield client


def wait_for_end(client: TestClient, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_S
    while (job := client.get(f"/v1/jobs/{job_id}").json())["state"] not in ENDED:
        assert time.monotonic() < deadline, job
        time.sleep(0.01)
    return dict(job)


def hits(client: TestClient, question: str, retriever: str = "bm25") -> list[str]:
    response = client.post("/v1/retrieve", json={"question": question, "retriever": retriever, "k": 10})
    return [hit["passage"]["id"] for hit in response.json()["results"][0]["hits"]]


def passages_of(root: Path) -> dict[str, str]:
    return {passage.id: passage.text for passage in open_index(root).passages}


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/documents/new"), ("DELETE", "/v1/documents/paris"), ("POST", "/v1/documents"), ("GET", "/v1/jobs")],
)
def test_a_disk_that_hangs_ends_in_time_and_the_response_says_what_may_still_be_done(
    root: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    released = threading.Event()

    def hang(*_arguments: object) -> None:
        assert released.wait(DEADLINE_S)
        raise AssertionError("nobody waits for this any more")

    monkeypatch.setattr(Inbox, "accept", hang)
    monkeypatch.setattr(Inbox, "jobs", hang)
    body = {"title": "", "text": "New."} if method == "PUT" else {"id": "new", "title": "", "text": "New."}
    content = json.dumps(body) if method in ("PUT", "POST") else None
    with serving(root) as client:
        try:
            headers = {"X-Request-Timeout": "0.2", "Content-Type": "application/json"}
            response = client.request(method, path, content=content, headers=headers)
        finally:
            released.set()
    assert response.status_code == 504
    error = response.json()["error"]
    assert error["code"] == "deadline_exceeded"
    assert "may be carried out all the same" in error["message"]


def ndjson(*documents: dict[str, Any]) -> bytes:
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents).encode()


def test_a_document_is_put_replaced_and_deleted(root: Path) -> None:
    with serving(root) as client:
        accepted = client.put("/v1/documents/빈/wien", json={"title": "빈", "text": "Vienna is in Austria"})
        assert accepted.status_code == 202
        job = accepted.json()
        assert (job["state"], job["kind"], job["documents"], job["index"]) == ("queued", "put", 1, "default")
        assert accepted.headers["location"] == f"/v1/jobs/{job['id']}?index=default"
        ended = wait_for_end(client, job["id"])
        assert (ended["state"], ended["generation"], ended["error"]) == ("done", "000002", None)
        assert client.get("/readyz").json()["generation"] == "000002"
        for retriever in ("bm25", "dense", "hybrid"):
            assert hits(client, "Vienna Austria", retriever)[0] == "빈/wien"
        changed = client.put("/v1/documents/빈/wien", json={"text": "the Danube flows there"}).json()
        wait_for_end(client, changed["id"])
        assert hits(client, "Vienna") == []
        assert hits(client, "Danube") == ["빈/wien"]
        gone = client.delete("/v1/documents/빈/wien")
        assert gone.status_code == 202
        assert wait_for_end(client, gone.json()["id"])["state"] == "done"
        assert hits(client, "Danube") == []
        listed = client.get("/v1/jobs").json()["jobs"]
        assert [item["kind"] for item in listed] == ["delete", "put", "put"]
    assert "빈/wien" not in passages_of(root)


def test_what_is_not_there_is_not_deleted(root: Path) -> None:
    with serving(root) as client:
        refused = client.delete("/v1/documents/atlantis")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_document")
        SlowEncoder.gate.clear()
        client.put("/v1/documents/atlantis", json={"text": "it may be found"})
        last = client.delete("/v1/documents/atlantis")
        assert last.status_code == 202
        assert client.delete("/v1/documents/atlantis").status_code == 404
        SlowEncoder.gate.set()
        assert wait_for_end(client, last.json()["id"])["state"] == "done"
        assert hits(client, "found") == []


def test_an_import_answers_each_line(root: Path) -> None:
    body = ndjson({"id": "a", "text": "alpha one"}, {"id": "b"}, {"id": "a", "text": "alpha two"}) + b"\nnonsense\n"
    body += ndjson({"id": "c", "title": "C", "text": "gamma"}, {"id": "d", "text": "delta", "body": "x"}, {"text": "?"})
    with serving(root) as client:
        response = client.post("/v1/documents", content=body)
        assert response.status_code == 202
        assert response.headers["content-type"] == "application/x-ndjson"
        *lines, last = map(json.loads, response.text.splitlines())
        assert [(line["line"], line["id"], line["status"]) for line in lines] == [
            (1, "a", "replaced"),
            (2, None, "refused"),
            (3, "a", "accepted"),
            (5, None, "refused"),
            (6, "c", "accepted"),
            (7, None, "refused"),
            (8, None, "refused"),
        ]
        assert all(bool(line["error"]) is (line["status"] == "refused") for line in lines)
        assert not any("the import" in (line["error"] or "") for line in lines)  # its number is in "line"
        assert (last["accepted"], last["replaced"], last["refused"], last["job"]["documents"]) == (2, 1, 4, 2)
        assert wait_for_end(client, last["job"]["id"])["state"] == "done"
        assert hits(client, "alpha gamma delta") == ["a", "c"]
        assert passages_of(root)["a"] == "alpha two"
        refused = client.post("/v1/documents", content=b'{"id": "x"}\n')
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "nothing_accepted")
        assert "line 1" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("x", {"text": " "}, "invalid_request"),
        ("x", {"title": "t"}, "missing_field"),
        ("x", {"text": "t", "more": 1}, "unknown_field"),
        ("x", {"text": "half \ud800"}, "invalid_request"),
        ("%00", {"text": "t"}, "invalid_request"),
        ("%20", {"text": "t"}, "invalid_request"),
        ("%FF", {"text": "t"}, "invalid_request"),
        ("x" * 1_001, {"text": "t"}, "invalid_request"),
    ],
)
def test_what_cannot_be_indexed_is_refused_at_the_door(root: Path, path: str, body: dict[str, Any], code: str) -> None:
    with serving(root) as client:
        response = client.put(
            f"/v1/documents/{path}", content=json.dumps(body), headers={"content-type": "application/json"}
        )
        assert (response.status_code, response.json()["error"]["code"]) == (422, code)
        assert not list((root / "accepted").glob("*.jsonl"))


def test_nothing_is_taken_unless_the_operator_allows_it(root: Path) -> None:
    with serving(root, allow_writes=False) as client:
        for response in (
            client.put("/v1/documents/x", json={"text": "t"}),
            client.delete("/v1/documents/seoul"),
            client.post("/v1/documents", content=b"{}"),
            client.get("/v1/jobs"),
            client.get("/v1/jobs/1"),
            client.delete("/v1/jobs/1"),
        ):
            assert (response.status_code, response.json()["error"]["code"]) == (403, "writes_off")
    assert not (root / "accepted").exists()


def test_jobs_are_cancelled_or_said_not_to_be_there(root: Path) -> None:
    with serving(root) as client:
        SlowEncoder.gate.clear()
        first = client.put("/v1/documents/x", json={"text": "first"}).json()
        deadline = time.monotonic() + DEADLINE_S
        while client.get(f"/v1/jobs/{first['id']}").json()["state"] != "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        second = client.put("/v1/documents/y", json={"text": "second"}).json()
        assert client.delete(f"/v1/jobs/{first['id']}").status_code == 202
        SlowEncoder.gate.set()
        assert wait_for_end(client, first["id"])["state"] == "cancelled"
        assert wait_for_end(client, second["id"])["state"] == "done"
        assert hits(client, "first second") == ["y"]
        ended = client.delete(f"/v1/jobs/{second['id']}")
        assert (ended.status_code, ended.json()["error"]["code"]) == (409, "job_ended")
        for response in (client.get("/v1/jobs/nothing"), client.delete("/v1/jobs/..%2fCURRENT")):
            assert response.status_code == 404
        assert client.get("/v1/jobs/nothing").json()["error"]["code"] == "unknown_job"


def test_what_waits_is_applied_together_as_one_generation(root: Path) -> None:
    SlowEncoder.gate.clear()
    with serving(root) as client:
        first = client.put("/v1/documents/first", json={"text": "first"}).json()
        deadline = time.monotonic() + DEADLINE_S
        while client.get(f"/v1/jobs/{first['id']}").json()["state"] != "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        puts = [client.put(f"/v1/documents/{number}", json={"text": f"n{number}"}).json() for number in range(5)]
        delete = client.delete("/v1/documents/seoul").json()
        SlowEncoder.gate.set()
        generations = {wait_for_end(client, job["id"])["generation"] for job in (*puts, delete)}
        assert generations == {"000003"}
    assert "seoul" not in passages_of(root)


def test_a_job_that_cannot_be_applied_holds_no_other_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_add = update.add

    def add(options: Any, *arguments: Any, **named: Any) -> Any:
        if "poison" in Path(path_of(options.sources[0])).read_text(encoding="utf-8"):
            raise DataError("this cannot be indexed")
        return real_add(options, *arguments, **named)

    monkeypatch.setattr(applier_module, "add", add)
    inbox = Inbox(root)
    jobs = [inbox.accept("put", [put_change(name, "", f"text {name}")]) for name in ("good", "poison", "better")]
    with serving(root) as client:
        ended = [wait_for_end(client, job.id) for job in jobs]
        assert [job["state"] for job in ended] == ["done", "failed", "done"]
        assert ended[1]["error"] == "this cannot be indexed"
        assert hits(client, "good better") == ["better", "good"]


def test_what_fails_again_and_again_fails_at_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    def broken(*_: object, **__: object) -> None:
        nonlocal tries
        tries += 1
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(applier_module, "add", broken)
    monkeypatch.setattr(applier_module, "MAX_WAIT_S", 0.01)
    monkeypatch.setattr(applier_module, "MAX_TRIES", 3)
    with serving(root) as client:
        ended = wait_for_end(client, client.put("/v1/documents/x", json={"text": "text"}).json()["id"])
    assert (ended["state"], tries) == ("failed", 3)
    assert "Input/output error" in ended["error"]


def test_a_locked_index_is_waited_for(root: Path) -> None:
    with serving(root) as client:
        with writer_lock(IndexLayout(root).lock):
            job = client.put("/v1/documents/x", json={"text": "patience"}).json()
            deadline = time.monotonic() + DEADLINE_S
            while not (told := client.get(f"/v1/jobs/{job['id']}").json())["error"]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert "is being written by process" in told["error"]
            assert str(root) not in told["error"]
        assert wait_for_end(client, job["id"])["state"] == "done"


def test_a_batch_that_was_published_before_a_crash_is_not_applied_again(root: Path) -> None:
    inbox = Inbox(root)
    job = inbox.accept("put", [put_change("x", "", "once")])
    with serving(root) as client:
        wait_for_end(client, job.id)
    manifest = read_current(root)
    assert manifest.provenance.sources[0].source.startswith(f"documents {job.id}"), "no path of the server"
    again = Inbox(root)
    (again.folder / f"{job.id}.done.json").unlink()
    line = b'{"id":"%s","kind":"put","documents":1,"accepted_utc":"2026-01-01T00:00:00Z"}\n' % job.id.encode()
    (again.folder / f"{job.id}.jsonl").write_bytes(line + Change("x", "once").to_json())
    again.begin([job.id])
    with serving(root) as client:
        assert wait_for_end(client, job.id)["generation"] == manifest.name
    assert read_current(root) == manifest


def test_many_small_additions_are_compacted_and_old_generations_pruned(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "MAX_SEGMENTS", 2)
    with serving(root, keep_generations=1) as client:
        for number in range(4):
            wait_for_end(client, client.put(f"/v1/documents/{number}", json={"text": f"number {number}"}).json()["id"])
        assert sorted(hits(client, "number")) == ["0", "1", "2", "3"]
    assert len(read_current(root).segments) <= 2
    assert len(read_all(root)) <= 3


def test_one_of_several_processes_applies(root: Path) -> None:
    first, second = Inbox(root), Inbox(root)
    assert first.take() is not None
    assert second.take() is None


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.writers.os.access", lambda *_: False)
    settings = settings_of(index=root, allow_writes=True)
    with pytest.raises(ConfigError, match=r"allow_writes is set, and .* cannot be written"):
        create_app(settings, Engine.from_settings(settings))


def test_ids_sort_in_the_order_of_acceptance() -> None:
    new_id = JobIds()
    ids = [new_id() for _ in range(1_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_a_torn_file_of_a_crash_is_no_job(root: Path) -> None:
    inbox = Inbox(root)
    inbox.folder.mkdir()
    (inbox.folder / ".building-019ac9f0a1b2-5f0c9a1e.jsonl").write_bytes(b'{"id"')
    assert inbox.queued() == []
    assert inbox.jobs(10) == []


def test_lines_are_read_as_a_corpus_is() -> None:
    [line] = read_lines('{"id": "\u1112\u1161\u11ab", "text": "t"}'.encode())
    assert line.change is not None
    assert line.change.id == "한"
