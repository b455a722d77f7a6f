"""A build is killed at every point that matters: what was published goes on serving, and the next build succeeds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpr.search.open import open_index
from dpr.store.generation import read_all, read_current
from index_builder.verify import verify_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, content, small_index

STAGES = ("corpus", "terms", "windows", "encode", "dense", "weights", "seal", "verify")
RENAMES = ("journal", "segment", "generation", "manifest", "CURRENT")
JOURNAL = 11
"""Lines of the journal: corpus, three blocks of terms, all terms, windows, three shards of vectors, dense, weights."""

# Importing and compiling take seconds, so one process does both, and a fork of it is killed at each point. A fork has
# none of its parent's threads, so the libraries are told to have none.
KILLED = """
import os, signal, sys
from functools import partial
from pathlib import Path
from dpr.store.journal import Journal
from index_builder import segment as room
from index_builder.build import BuildOptions, build
from tests.fakes import HashEncoder, WordAnalyzer

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
room.count_terms = partial(room.count_terms, block_passages=2)

def killed_build(root, source, point):
    kind, _, name = point.partition(":")
    if kind == "rename":
        die_at_rename(int(name))
    if kind in ("before", "after"):
        die_at_line(int(name), kind == "after")
    build(BuildOptions(sources=(source,), output=Path(root)), HashEncoder(), WordAnalyzer(),
          lambda stage, done, total: die() if (kind, stage) == ("stage", name) else None)

killed_build(*sys.argv[1:], "never")
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        killed_build(*line.rstrip("\\n").split("\\t"))
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Killer:
    """Runs a build that is killed at a point: the start of a stage, or before a rename."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self, root: Path, source: Path, point: str) -> int:
        """Return the signal that ended the build, 0 where it was never killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{root}\t{source}\t{point}\n")
        self._process.stdin.flush()
        return os.waitstatus_to_exitcode(int(self._process.stdout.readline()))


@pytest.fixture(scope="module")
def killer(published: Path) -> Iterator[Killer]:
    project = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(published.with_name("warm-up")), str(published.with_suffix(".jsonl"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=project
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed") / "index"
    small_index(root)
    return root


def first_hits(root: Path) -> dict[str, tuple[str, float]]:
    index = open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())
    actual = {name: index.retriever(name).search(["capital of France"], 1)[0][0] for name in index.names}
    return {name: (hit.passage_id, hit.score) for name, hit in actual.items()}


def served(root: Path) -> dict[str, bytes]:
    """All files, but for the manifest, which tells when and how long; their names are those of the same segment."""
    return {name: data for name, data in content(root).items() if not name.endswith(".json")}


@pytest.fixture(scope="module")
def undisturbed(killer: Killer, published: Path) -> Path:
    """What the build gives that nobody kills."""
    root = published.with_name("undisturbed")
    assert killer.kill(root, published.with_suffix(".jsonl"), "never") == 0
    return root


@pytest.mark.parametrize(
    "point", [*(f"stage:{stage}" for stage in STAGES), *(f"rename:{number}" for number in range(len(RENAMES)))]
)
def test_a_killed_build_changes_nothing_and_the_next_one_succeeds(
    killer: Killer, published: Path, tmp_path: Path, point: str
) -> None:
    root = shutil.copytree(published, tmp_path / "index")
    before, hits = content(root), first_hits(root)

    assert killer.kill(root, published.with_suffix(".jsonl"), point) == -signal.SIGKILL
    after = content(root)
    assert {name: after[name] for name in before} == before
    assert first_hits(root) == hits
    verify_index(root, WordAnalyzer())

    small_index(root, PASSAGES[:3])
    assert read_current(root).passages == 3
    assert first_hits(root)["bm25"][0] == "paris"
    manifests = read_all(root)
    recorded = {name for manifest in manifests for name in manifest.files}
    assert set(content(root)) == recorded | {f"generations/{item.name}.json" for item in manifests} | {"CURRENT"}


@pytest.mark.parametrize(
    "point",
    [
        *(f"stage:{stage}" for stage in STAGES),
        *(f"rename:{number}" for number in range(len(RENAMES))),
        *(f"{moment}:{number}" for moment in ("before", "after") for number in range(JOURNAL)),
    ],
)
def test_the_same_build_goes_on_and_gives_the_same_bytes(
    killer: Killer, published: Path, undisturbed: Path, tmp_path: Path, point: str
) -> None:
    root, source = tmp_path / "index", published.with_suffix(".jsonl")
    assert killer.kill(root, source, point) == -signal.SIGKILL
    assert killer.kill(root, source, "never") == 0
    assert served(root) == served(undisturbed)
    assert first_hits(root) == first_hits(undisturbed)
    verify_index(root, WordAnalyzer())


@pytest.mark.parametrize("point", ["stage:encode", "rename:0", "rename:4"])
def test_a_first_build_that_is_killed_leaves_no_index_but_a_place_for_one(
    killer: Killer, published: Path, tmp_path: Path, point: str
) -> None:
    root = tmp_path / "index"
    assert killer.kill(root, published.with_suffix(".jsonl"), point) == -signal.SIGKILL
    assert not (root / "CURRENT").exists()
    small_index(root)
    assert first_hits(root) == first_hits(published)


def test_a_build_that_nobody_kills_is_published(killer: Killer, published: Path, tmp_path: Path) -> None:
    """The control: the points above are reached because the build is killed there."""
    root = tmp_path / "index"
    assert killer.kill(root, published.with_suffix(".jsonl"), f"rename:{len(RENAMES)}") == 0
    assert first_hits(root) == first_hits(published)
