from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
    with pytest.raises(ZeroDivisionError), writer_lock(tmp_path / ".lock"):
        raise ZeroDivisionError
    with writer_lock(tmp_path / ".lock"):
        pass
    assert (tmp_path / ".lock").read_text() == ""
