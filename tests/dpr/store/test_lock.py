from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from dpr.errors import IndexLockedError
from dpr.store.lock import writer_lock

HOLD = """
import sys
from pathlib import Path
from dpr.store.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_writer_is_told_the_first_ones_process(tmp_path: Path) -> None:
    with (
        holder(tmp_path / ".lock") as process,
        pytest.raises(IndexLockedError, match=f"written by process {process.pid};"),
        writer_lock(tmp_path / ".lock"),
    ):
        pytest.fail("two writers hold the lock")


def test_the_lock_is_free_after_its_holder_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path / ".lock") as process:
        process.kill()
        process.wait()
    with writer_lock(tmp_path / ".lock"):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_is_free_after_an_error_inside(tmp_path: Path) -> None:
    (tmp_path / "CURRENT").touch()
    with pytest.raises(ZeroDivisionError), writer_lock(tmp_path / ".lock"):
        raise ZeroDivisionError
    with writer_lock(tmp_path / ".lock"):
        pass
    assert (tmp_path / ".lock").read_text() == ""


def test_a_folder_in_which_nothing_was_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "new" / "index", tmp_path / "mine"):
        with writer_lock(folder / ".lock"):
            assert (folder / ".lock").is_file()
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    with writer_lock(tmp_path / "mine" / ".lock"):
        (tmp_path / "mine" / "CURRENT").touch()
    assert (tmp_path / "mine" / ".lock").is_file()


def test_a_lock_that_its_holder_removes_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index" / ".lock"
    lock = fcntl.flock
    removed: list[Path] = []

    def lock_too_late(file: TextIO, operation: int) -> None:
        if not removed:  # the holder ends between the opening of its file and the locking
            removed.append(path)
            path.unlink()
            path.parent.rmdir()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock_too_late)
    with writer_lock(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert removed
