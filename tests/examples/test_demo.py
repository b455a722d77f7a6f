"""The demo's own pieces, and, as a slow test, the demo."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from examples.demo import run as demo

HANGUL = re.compile(r"[가-힣]")
PASSAGE = {"title": "Chess", "text": "Deep Blue was a computer made by IBM."}
ANSWERED: dict[str, Any] = {
    "question": "Who made Deep Blue?",
    "is_answered": True,
    "probability": 0.94,
    "hits": [{"passage": PASSAGE}],
    "answers": [{"text": "IBM", "score": 4.25, "start": 33, "end": 36}],
    "evidence": [PASSAGE],
}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(record=True, width=100, force_terminal=True, color_system="standard")
    monkeypatch.setattr(demo, "console", console)
    return console


def ending(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program])


def test_it_asks_in_both_languages() -> None:
    assert [bool(HANGUL.search(question)) for question in demo.QUESTIONS] == [False, False, False, True, True]


def test_an_answer_is_shown_with_its_probability_and_highlighted_in_its_passage(shown: Console) -> None:
    demo.show(ANSWERED)
    styled = shown.export_text(styles=True, clear=False)
    assert "\x1b[1;30;43mIBM\x1b[0m" in styled
    text = shown.export_text()
    assert all(part in text for part in ("Who made Deep Blue?", "IBM   likely right: 94%", "Chess: Deep Blue"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"is_answered": False}, "no answer that it is sure of (its best guess: IBM)"),
        ({"is_answered": False, "answers": [], "evidence": []}, "no answer that it is sure of; the first passage"),
        ({"is_answered": False, "answers": [], "evidence": [], "hits": []}, "no passage was found"),
    ],
)
def test_no_answer_is_shown(shown: Console, changes: dict[str, Any], told: str) -> None:
    demo.show({**ANSWERED, **changes})
    assert told in shown.export_text()


def test_a_server_that_dies_is_told() -> None:
    server = ending("raise SystemExit(3)")
    with pytest.raises(demo.DemoError, match="exit code 3"):
        demo.wait_until_ready(server, "http://127.0.0.1:9")


@pytest.mark.parametrize("is_ready_in_time", [True, False])
def test_a_server_that_loads_for_long_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, shown: Console, is_ready_in_time: bool
) -> None:
    """Most of an hour passes on the demo's clock, in steps of 10 s, or all of it."""
    clock = iter(range(0, 100_000, 10))
    is_ready = iter([*[False] * (350 if is_ready_in_time else 10_000), True])
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(demo, "is_ready", lambda _: next(is_ready))
    with ending("import time; time.sleep(60)") as server:
        if is_ready_in_time:
            demo.wait_until_ready(server, "http://127.0.0.1:9")
        else:
            with pytest.raises(demo.DemoError, match="not ready within 3600 s"):
                demo.wait_until_ready(server, "http://127.0.0.1:9")
        server.kill()
    first, *lines = shown.export_text().splitlines()
    assert first == "waiting for dpr-serve, which loads the index, the encoder and the reader"
    assert lines[:2] == [f"dpr-serve is still loading after {seconds} s; Ctrl-C ends it" for seconds in (20, 40)]
    assert len(lines) >= 175


def test_a_server_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STOP_TIMEOUT_S", 0.2)
    server = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    with server:
        assert server.stdout is not None
        server.stdout.readline()
        demo.stop(server)
    assert server.returncode == -9


def test_a_port_in_use_is_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((demo.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(demo, "PREFERRED_PORT", port)
        assert demo.free_port() not in (0, port)


def test_a_missing_command_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "INDEX", tmp_path / "index")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", ["run.py", "--once"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert demo.main() == 1
    assert capsys.readouterr().err.startswith("error: the command dpr-index is not installed")


@pytest.mark.slow
def test_the_demo_runs_once() -> None:
    script = Path(demo.__file__)
    ended = subprocess.run([sys.executable, script, "--once"], capture_output=True, text=True, check=False, timeout=280)
    assert ended.returncode == 0, ended.stderr
    assert all(question in ended.stdout for question in demo.QUESTIONS)
