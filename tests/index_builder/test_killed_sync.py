"""A sync is killed at every point that matters: the index goes on serving what it had, and the next sync ends it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpr.store.generation import read_current
from dpr.text.registry import analyzer
from dpr.types import Passage
from index_builder.build import BuildOptions, build
from index_builder.current import Current
from index_builder.sync import SyncOptions, plan_sync, sync
from index_builder.verify import verify_index
from tests.fakes import HashEncoder

RENAMES = 5
JOURNAL = 9
"""Lines of the journal: corpus, a block of terms, all terms, windows, three shards of vectors, dense, weights."""

# A fork of one process that has imported all is killed at each point; see test_killed_build.py.
KILLED = """
import os, signal, sys
from functools import partial
from pathlib import Path
from dpr.store.journal import Journal
from index_builder import segment as room
from index_builder.sync import SyncOptions, sync
from tests.fakes import HashEncoder

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_at_rename(number):
    replace, renames = os.replace, iter(range(100))
    def dying(source, target):
        if next(renames) == number:
            die()
        replace(source, target)
    os.replace = dying

def die_at_line(number, is_written):
    finish, lines = Journal.finish, iter(range(100))
    def dying(journal, piece, result=None):
        is_due = next(lines) == number
        if is_due and not is_written:
            die()
        finish(journal, piece, result)
        if is_due:
            die()
    Journal.finish = dying

room.write_vectors = partial(room.write_vectors, shard_passages=2)

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        index, folder, kind, name = line.rstrip("\\n").split("\\t")
        if kind == "rename":
            die_at_rename(int(name))
        if kind in ("before", "after"):
            die_at_line(int(name), kind == "after")
        sync(SyncOptions(sources=(folder,), index=Path(index)), HashEncoder(),
             lambda stage, done, total: die() if (kind, stage) == ("stage", name) else None)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Killer:
    """Runs a sync that is killed at a point."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self, index: Path, folder: Path, kind: str, name: str | int = "") -> int:
        """Return the signal that ended the sync, 0 where it was never killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{index}\t{folder}\t{kind}\t{name}\n")
        self._process.stdin.flush()
        return os.waitstatus_to_exitcode(int(self._process.stdout.readline()))


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    project = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=project,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


def write_rows(folder: Path, first: int, last: int) -> None:
    rows = [{"id": f"r{number}", "text": f"row {number}", "number": number} for number in range(first, last)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def contents(index: Path) -> dict[str, Passage]:
    passages = list(Current.read(index).passages)
    by_id = {passage.id: passage for passage in passages}
    assert len(by_id) == len(passages), "nothing is doubled"
    return by_id


def built(folder: Path, index: Path) -> Path:
    build(BuildOptions(sources=(str(folder),), output=index), HashEncoder(), analyzer("words"))
    return index


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index, and the folder that it was built of, changed since then, under one parent."""
    root = tmp_path_factory.mktemp("sync")
    folder = root / "handbook"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nText number {number}.", encoding="utf-8")
    write_rows(folder, 0, 6)
    built(folder, root / "index")
    (folder / "0.md").write_text("# Page 0\n\nAnother text.\n\n# More\n\nAnd a section.", encoding="utf-8")
    (folder / "1.md").unlink()
    (folder / "new.txt").write_text("A new text.", encoding="utf-8")
    write_rows(folder, 2, 8)
    built(folder, root / "rebuilt")
    return root


POINTS = [
    *(("stage", stage) for stage in ("compare", "documents", "corpus", "terms", "encode", "seal", "verify")),
    *(("rename", number) for number in range(RENAMES)),
    *((moment, number) for moment in ("before", "after") for number in range(JOURNAL)),
]


@pytest.mark.parametrize(("kind", "name"), POINTS)
def test_a_killed_sync_loses_and_doubles_nothing(
    killer: Killer, before: Path, tmp_path: Path, kind: str, name: str | int
) -> None:
    index, folder = shutil.copytree(before / "index", tmp_path / "index"), before / "handbook"
    assert killer.kill(index, folder, kind, name) == -signal.SIGKILL
    is_published = read_current(index).generation == 2
    assert contents(index) == contents(before / ("rebuilt" if is_published else "index"))
    verify_index(index)
    options = SyncOptions(sources=(str(folder),), index=index)
    sync(options, HashEncoder())
    assert contents(index) == contents(before / "rebuilt")
    assert read_current(index).generation == 2
    assert plan_sync(options).is_empty
    verify_index(index)


def test_a_sync_that_nobody_kills_ends(killer: Killer, before: Path, tmp_path: Path) -> None:
    """The control: the points above are reached because the sync is killed there."""
    for number, (kind, name) in enumerate([("rename", RENAMES), ("before", JOURNAL)]):
        index = shutil.copytree(before / "index", tmp_path / str(number))
        assert killer.kill(index, before / "handbook", kind, name) == 0
        assert contents(index) == contents(before / "rebuilt")
