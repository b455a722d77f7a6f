"""A sync is killed at every point that matters: the index goes on serving what it had, and the next sync ends it."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpr.store.generation import read_current
from dpr.text.registry import analyzer
from dpr.types import Passage, Progress
from index_builder.build import BuildOptions, build
from index_builder.current import Current
from index_builder.sync import SyncOptions, plan_sync, sync
from index_builder.verify import verify_index
from tests.fakes import HashEncoder
from tests.killing import Killer, killing, serve_kills

RENAMES = 5
JOURNAL = 9
"""Lines of the journal: corpus, a block of terms, all terms, windows, three shards of vectors, dense, weights."""


@pytest.fixture(scope="module")
def killer(before: Path) -> Iterator[Killer]:
    warm_up = shutil.copytree(before / "index", before / "warm-up")
    with killing("tests.index_builder.test_killed_sync", warm_up, before / "handbook") as killer:
        yield killer


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
    *(f"stage:{stage}" for stage in ("compare", "documents", "corpus", "terms", "encode", "seal", "verify")),
    *(f"rename:{number}" for number in range(RENAMES)),
    *(f"{moment}:{number}" for moment in ("before", "after") for number in range(JOURNAL)),
]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sync_loses_and_doubles_nothing(killer: Killer, before: Path, tmp_path: Path, point: str) -> None:
    index, folder = shutil.copytree(before / "index", tmp_path / "index"), before / "handbook"
    assert killer.kill(index, folder, point) == -signal.SIGKILL
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
    for number, point in enumerate([f"rename:{RENAMES}", f"before:{JOURNAL}"]):
        index = shutil.copytree(before / "index", tmp_path / str(number))
        assert killer.kill(index, before / "handbook", point) == 0
        assert contents(index) == contents(before / "rebuilt")


def sync_index(index: Path, folder: str, progress: Progress) -> None:
    sync(SyncOptions(sources=(folder,), index=index), HashEncoder(), progress)


if __name__ == "__main__":
    serve_kills(sync_index)
