from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import typer
from safetensors import SafetensorError
from typer.testing import CliRunner

from dpr import __version__, console
from dpr.cli import app as dpr_app
from dpr.console import cell, escape, print_json, run, show_progress, visible
from dpr.errors import DataError, DPRError, IndexFormatError, ModelError, RequestError
from index_builder.cli import app as index_app
from service.cli import app as serve_app

ROOT = Path(__file__).resolve().parents[2]


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
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to continue\n"),
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


FULL_DISK = "; free some and run the same command again\n"


def caused_by(error: DPRError, cause: BaseException) -> DPRError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded", "/home/report.json"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("write error in dense.faiss: 0 != 8 (No space left on device)"),
        caused_by(ModelError("the state cannot be written"), OSError(errno.ENOSPC, "full")),
    ],
)
def test_a_full_disk_is_the_same_sentence_whoever_meets_it(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(app_that_raises(error))
    assert end.value.code == 1
    assert capsys.readouterr().err == f"error: there is no space left on a disk that this command writes to{FULL_DISK}"


def test_no_space_for_temporary_files_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python finds out by itself, and says it in words of its own."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/dev/null"])
    app = typer.Typer()
    app.command()(lambda: tempfile.TemporaryDirectory().cleanup())
    with pytest.raises(SystemExit) as end:
        run(app)
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "error: there is no space left for temporary files, or no folder for them that may be written to; free some in "
        "/tmp, or name another folder with TMPDIR\n"
    )


def test_a_question_about_full_disks_is_no_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(app_that_raises(DataError("the question 'What does No space left on device mean?' comes twice")))
    assert capsys.readouterr().err.startswith("error: the question 'What does")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_result_that_finds_no_space_is_one_sentence() -> None:
    program = """
import typer
from dpr.console import print_json, run
app = typer.Typer()
@app.command()
def command() -> None:
    print_json({"answer": "서울"})
run(app)
"""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False, text=True, cwd=ROOT
        )
    assert done.stderr == f"error: there is no space left on a disk that this command writes to{FULL_DISK}"
    assert done.returncode == 1


CONTROLS = "a\x1b[2Jb\rc\x9bd\u202ee\x7f\x00"


def test_control_characters_are_made_visible() -> None:
    assert visible(CONTROLS) == "a␛[2Jb␍c\\u009bd\\u202ee␡␀"
    assert visible("둘째 줄\n\t[b] 👩‍👩‍👧") == "둘째 줄\n\t[b] 👩‍👩‍👧"
    assert escape("[b]\x1b") == "\\[b]␛"


def test_an_error_and_a_log_line_do_not_obey_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(app_that_raises(DataError(f"the passage {CONTROLS} comes twice")))
    with show_progress("loading the encoder"):
        logging.getLogger("dpr").info("read %s", CONTROLS)
    assert not set("\x1b\r\x9b\u202e\x7f\x00") & set(capsys.readouterr().err)


def test_json_escapes_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": CONTROLS})
    printed = capsys.readouterr().out
    assert not set("\x1b\r\x9b\u202e\x7f\x00") & set(printed)
    assert json.loads(printed) == {"text": CONTROLS}


def test_a_cell_is_in_words() -> None:
    assert [cell(value) for value in (None, True, 12345, 0.25, "x", [], ["a", 2], {"dense": 0.25, "bm25": 1})] == [
        "none", "yes", "12,345", "0.25", "x", "none", "a, 2", "dense 0.25, bm25 1",
    ]  # fmt: skip


@pytest.mark.parametrize("command", [dpr_app, index_app, serve_app])
def test_each_command_prints_its_version(command: typer.Typer) -> None:
    result = CliRunner().invoke(command, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"dense-passage-retrieval {__version__}\n")


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
    with show_progress("loading the encoder") as progress:
        progress("corpus", 1000, None)
        progress("corpus", 1500, 1500)
        progress("encode", 1500, 1500)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(",")[0] for line in err.splitlines()] == [
        "reading passages from the sources: 1",
        "encoding passages into vectors: 1",
    ]


def test_a_terminal_shows_bars(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with show_progress("loading the encoder") as progress:
        progress("corpus", 1500, 1500)
        progress("encode", 10, 1500)
    out, err = capsys.readouterr()
    assert out == ""
    assert "loading the encoder" not in err
    assert "encoding passages into vectors" in err
    assert "1500/1500" in err
    assert "10/1500" in err


def test_a_terminal_says_what_is_done_before_the_first_stage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(console, "FIRST_AFTER_S", 0.0)
    with show_progress("loading the encoder"):
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()
    assert capsys.readouterr().err == "loading the encoder …\n"


def test_of_several_processes_the_first_shows_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with show_progress("loading the encoder") as progress:
        progress("train", 5, 5)
    assert capsys.readouterr() == ("", "")


def test_without_a_stage_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("loading the encoder"):
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
