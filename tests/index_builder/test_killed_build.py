"""A build is killed at every point that matters: what was published goes on serving, and the next build succeeds."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from dpr.search.open import open_index
from dpr.store.generation import read_all, read_current
from dpr.types import Progress
from index_builder import segment as room
from index_builder.build import BuildOptions, build
from index_builder.sparse import count_terms
from index_builder.verify import verify_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.killing import Killer, killing, serve_kills
from tests.small_index import PASSAGES, content, small_index

STAGES = ("corpus", "terms", "windows", "encode", "dense", "weights", "seal", "verify")
RENAMES = ("journal", "segment", "generation", "manifest", "CURRENT")
JOURNAL = 11
"""Lines of the journal: corpus, three blocks of terms, all terms, windows, three shards of vectors, dense, weights."""


@pytest.fixture(scope="module")
def killer(published: Path) -> Iterator[Killer]:
    warm_up, source = published.with_name("warm-up"), published.with_suffix(".jsonl")
    with killing("tests.index_builder.test_killed_build", warm_up, source) as killer:
        yield killer


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


def build_index(root: Path, source: str, progress: Progress) -> None:
    build(BuildOptions(sources=(source,), output=root), HashEncoder(), WordAnalyzer(), progress)


if __name__ == "__main__":
    vars(room)["count_terms"] = partial(count_terms, block_passages=2)  # so that a small index has several blocks
    serve_kills(build_index)
