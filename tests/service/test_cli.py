"""``dpr-serve`` as a user meets it: a real process, a real port, a real index without models."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from dpr.errors import ConfigError, IndexFormatError, RequestError
from dpr.pipeline import QA
from dpr.text.registry import analyzer
from index_builder.build import BuildOptions, build
from service import cli
from service.server import listen, serve
from tests.service.fakes import FakeReader, fake_qa, settings_of

ROOT = Path(__file__).resolve().parents[2]
SERVE = (sys.executable, "-c", "from service.cli import main; main()")
SPARSE = ("--retriever-default", "bm25", "--no-reader")
PATIENCE_S = 60


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """The command takes two signals for its whole life; here others live on after it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    passages = [{"id": "p1", "text": "king sejong created hangul"}, {"id": "p2", "text": "the han river"}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, passages)) + "\n", encoding="utf-8")
    options = BuildOptions(sources=(str(folder / "corpus.jsonl"),), output=folder / "index")
    build(options, None, analyzer("words"))
    return folder / "index"


@contextmanager
def server(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Start the command; yield its process and the facts of its ready line."""
    command = [*SERVE, "--port", "0", "--json", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def failure(*arguments: object) -> tuple[int, str]:
    """Run the command, which ends by itself; return its exit code and what it wrote to stderr."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [*SERVE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment,
        cwd=ROOT,
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_when_it_is_told_to(index: Path, number: signal.Signals) -> None:
    with server("--index", index, *SPARSE) as (process, facts):
        assert facts == {"address": facts["address"], "generation": "000001", "passages": 2, "reader": None}
        assert httpx.get(f"{facts['address']}/readyz").status_code == 200
        response = httpx.post(f"{facts['address']}/v1/retrieve", json={"question": "who created hangul"})
        assert response.json()["results"][0]["hits"][0]["passage"]["id"] == "p1"
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "Traceback" not in errors
    lines = [line.partition(" INFO ")[2] for line in errors.splitlines()]
    assert lines[:3] == [
        "service.cli: importing the libraries of the service",
        f"service.server: loading the index {index} and its models",
        "service.indexes: asking the index default and its models two questions, so that they are warm",
    ]
    assert lines[-1] == f"service.server: stopped by {number.name}"
    assert "'/v1/retrieve' 200" in errors
    assert not re.search(r"INFO (?!service|dpr|index_builder)", errors)  # no line of a library
    assert "/readyz" not in errors  # asked every few seconds


def test_the_ready_line_names_the_reader_without_its_folder() -> None:
    reader = FakeReader()
    reader.name = "/opt/models/reader-small"
    qa = fake_qa(reader)
    assert "passages, reader-small reader;" in cli._ready_line("http://127.0.0.1:1", qa, as_json=False)
    assert json.loads(cli._ready_line("http://127.0.0.1:1", qa, as_json=True))["reader"] == "reader-small"


def test_a_huge_body_is_refused_over_a_real_connection(index: Path) -> None:
    with server("--index", index, *SPARSE, "--max-body-bytes", 2048) as (_, facts):
        for size in (2049, 20_000_000):
            response = httpx.post(f"{facts['address']}/v1/retrieve", content=b" " * size)
            assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")

        connection = http.client.HTTPConnection(urlsplit(facts["address"]).netloc, timeout=PATIENCE_S)
        connection.request("POST", "/v1/retrieve", body=iter([b" " * 1000] * 5), encode_chunked=True)
        refused = connection.getresponse()
        assert (refused.status, json.loads(refused.read())["error"]["code"]) == (413, "body_too_large")
        assert httpx.get(f"{facts['address']}/readyz").status_code == 200


def test_a_missing_index_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    code, errors = failure("--index", tmp_path / "nothing", "--port", 0, "--log-level", "warning")
    assert code == 1
    assert str(tmp_path / "nothing") in errors
    assert "Traceback" not in errors
    assert len(errors.splitlines()) == 1


def test_a_wrong_setting_is_one_line_and_exit_code_2() -> None:
    code, errors = failure("--index", "x", "--port", 70_000)
    assert (code, len(errors.splitlines())) == (2, 1)
    assert "--port" in errors


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def never(address: str, qa: QA) -> None:
    pytest.fail(f"{address} was announced as ready")


def test_a_default_retriever_that_the_index_lacks_ends_the_start(index: Path) -> None:
    settings = settings_of(index=index, no_reader=True, retriever_default="hybrid")
    with listen("127.0.0.1", 0) as listener, pytest.raises(RequestError, match="no vectors"):
        asyncio.run(serve(settings, listener, never))


def test_a_reader_that_cannot_be_loaded_ends_the_start(index: Path, tmp_path: Path) -> None:
    settings = settings_of(index=index, reader=str(tmp_path), retriever_default="bm25")
    with listen("127.0.0.1", 0) as listener, pytest.raises(Exception, match=str(tmp_path)):
        asyncio.run(serve(settings, listener, never))


def test_a_damaged_index_ends_the_start(index: Path, tmp_path: Path) -> None:
    (tmp_path / "CURRENT").write_text("000009\n", encoding="utf-8")
    settings = settings_of(index=tmp_path, no_reader=True)
    with listen("127.0.0.1", 0) as listener, pytest.raises(IndexFormatError):
        asyncio.run(serve(settings, listener, never))


class StoppedError(Exception):
    """Ends a server at the moment at which it is ready."""


def test_a_server_keeps_its_objects_from_the_collector_before_it_is_ready(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def announce(_address: str, _qa: QA) -> None:
        events.append("ready")
        raise StoppedError

    monkeypatch.setattr("service.server.keep_objects", lambda: events.append("kept"))
    settings = settings_of(index=index, no_reader=True, retriever_default="bm25")
    with listen("127.0.0.1", 0) as listener, pytest.raises(StoppedError):
        asyncio.run(serve(settings, listener, announce))
    assert events == ["kept", "ready"]


def test_the_collector_passes_over_what_is_kept() -> None:
    program = "import gc; from service.server import keep_objects; keep_objects(); print(gc.get_freeze_count())"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 10_000


def test_the_options_are_parsed_before_anything_heavy_is_loaded() -> None:
    program = "import sys, service.cli; sys.exit(bool({'numba', 'faiss', 'torch', 'fastapi'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", program], check=False, env=environment).returncode == 0


def test_the_help_fits_its_terminal() -> None:
    shown = CliRunner().invoke(cli.app, ["--help"])
    assert shown.exit_code == 0
    assert "--retriever-default" in shown.output
    assert "DPR_MAX_IN_FLIGHT" in shown.output
