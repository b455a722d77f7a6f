"""Kill a change of an index at a point: the start of a stage, before a rename, before or after a line of the journal.

Importing and compiling take seconds, so one process does both, and a fork of it is killed at each point. A fork has
none of its parent's threads, so the libraries are told to have none.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from dpr.store.journal import Journal
from dpr.types import Progress, no_progress
from index_builder import segment as room
from index_builder.encode import write_vectors

PROJECT = Path(__file__).resolve().parents[1]
EVER = 100
"""More renames and lines of the journal than a change has."""


class Killer:
    """Runs changes, each in a fork of one process, that are killed at a point: ``stage:encode``, ``rename:0``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self, index: Path, source: Path, point: str) -> int:
        """Return the signal that ended the change, 0 where it was never killed, as at the point ``never``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{index}\t{source}\t{point}\n")
        self._process.stdin.flush()
        return os.waitstatus_to_exitcode(int(self._process.stdout.readline()))


@contextmanager
def killing(module: str, index: Path, source: Path) -> Iterator[Killer]:
    """Start the process, which changes ``index`` once itself: ``module`` calls `serve_kills`."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", module, str(index), str(source)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=PROJECT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


def serve_kills(change: Callable[[Path, str, Progress], object]) -> None:
    """Change an index from a source in a fork for each line of the standard input; write how the fork ended.

    Vectors come in shards of two passages, so that a small index has several.
    """
    vars(room)["write_vectors"] = partial(write_vectors, shard_passages=2)
    index, source = sys.argv[1:]
    change(Path(index), source, no_progress)
    _write("ready")
    for line in sys.stdin:
        index, source, point = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            change(Path(index), source, _dying_at(point))
            os._exit(0)
        _write(str(os.waitpid(child, 0)[1]))


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _dying_at(point: str) -> Progress:
    """Prepare this process to die at a point; return the progress callback, in which it dies at a stage."""
    kind, _, name = point.partition(":")
    if kind == "rename":
        _die_at_rename(int(name))
    if kind in ("before", "after"):
        _die_at_line(int(name), is_written=kind == "after")
    return lambda stage, _done, _total: _die() if (kind, stage) == ("stage", name) else None


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at_rename(number: int) -> None:
    replace, renames = os.replace, iter(range(EVER))

    def dying(source: str, target: str) -> None:
        if next(renames) == number:
            _die()
        replace(source, target)

    os.replace = dying  # type: ignore[assignment]


def _die_at_line(number: int, *, is_written: bool) -> None:
    finish, lines = Journal.finish, iter(range(EVER))

    def dying(journal: Journal, name: str, result: object = None) -> None:
        is_due = next(lines) == number
        if is_due and not is_written:
            _die()
        finish(journal, name, result)
        if is_due:
            _die()

    Journal.finish = dying  # type: ignore[method-assign,assignment]
