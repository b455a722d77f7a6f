from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import typer

from dpr.console import print_json, run, show_progress
from dpr.errors import IndexFormatError, RequestError


def app_that_raises(error: BaseException | None) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def command() -> None:
        if error is not None:
            raise error

    return app


@pytest.fixture(autouse=True)
def no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["dpr"])


@pytest.mark.parametrize(
    ("error", "exit_code", "sentence"),
    [
        (IndexFormatError("the index is damaged"), 1, "error: the index is damaged\n"),
        (RequestError("k is 0"), 2, "error: k is 0\n"),
        (PermissionError(13, "Permission denied", "/index"), 1, "error: [Errno 13] Permission denied: '/index'\n"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again, and it goes on from what is finished\n"),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
        (typer.Exit(3), 3, ""),
        (None, 0, ""),
    ],
)
def test_each_end_has_its_exit_code_and_at_most_one_line(
    error: BaseException | None, exit_code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(app_that_raises(error))
    assert end.value.code == exit_code
    assert capsys.readouterr() == ("", sentence)


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(app_that_raises(ZeroDivisionError()))


def test_wrong_usage_exits_with_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["dpr", "--nonsense"])
    with pytest.raises(SystemExit) as end:
        run(app_that_raises(None))
    assert end.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


def test_json_keeps_hangul_and_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"answer": "서울", "rank": 1})
    printed = capsys.readouterr().out
    assert "서울" in printed
    assert json.loads(printed) == {"answer": "서울", "rank": 1}


def test_progress_goes_to_stderr_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as progress:
        progress("corpus", 1000, None)
        progress("corpus", 1500, 1500)
        progress("encode", 1500, 1500)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(",")[0] for line in err.splitlines()] == ["corpus: 1", "encode: 1"]


def test_a_terminal_shows_bars(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as progress:
        progress("corpus", 1500, 1500)
        progress("encode", 10, 1500)
    out, err = capsys.readouterr()
    assert out == ""
    assert "1500/1500" in err
    assert "10/1500" in err


def test_of_several_processes_the_first_shows_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with show_progress() as progress:
        progress("train", 5, 5)
    assert capsys.readouterr() == ("", "")


def test_without_a_stage_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress():
        pass
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_left_is_met_in_silence() -> None:
    program = """
import typer
from dpr.console import print_json, run
app = typer.Typer()
@app.command()
def command() -> None:
    print_json(["a line of a result"] * 500_000)  # more than a pipe holds
run(app)
"""
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}  # without its buffer, Python itself hides a broken pipe
    writer = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.readline()
    writer.stdout.close()
    with writer.stderr:
        assert writer.stderr.read() == b""
    assert writer.wait() == 1
