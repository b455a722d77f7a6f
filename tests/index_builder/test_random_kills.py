"""The command itself, killed at random moments of its work: each build ends as an undisturbed one does."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpr.search.open import open_index
from dpr.store.layout import IndexLayout
from dpr.types import Passage
from index_builder.verify import verify_index
from tests.small_index import content, write_jsonl

KILLS = 20
PASSAGES = 12_000
"""Three shards of vectors."""

MAIN = "from index_builder.cli import main; main()"


def start(source: Path, encoder: Path, root: Path) -> subprocess.Popen[bytes]:
    choices = ["--analyzer", "words", "--dense-kind", "ivf-sq8", "--precision", "fp32", "--backend", "torch"]
    command = ["build", "--corpus", str(source), "--encoder", str(encoder), "--output", str(root), *choices]
    return subprocess.Popen([sys.executable, "-c", MAIN, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()


def files(root: Path) -> dict[str, bytes]:
    """All files, but for the manifest, which tells when and how long."""
    return {name: data for name, data in content(root).items() if not name.endswith(".json")}


def sentences() -> Iterator[Passage]:
    chance = random.Random(1)
    for number in range(PASSAGES):
        words = [f"w{chance.randrange(3000)}" for _ in range(12)]
        yield Passage(f"p{number}", " ".join(words), f"title {number % 50}")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_random_kills_lose_and_double_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = tmp_path / "corpus.jsonl"
    write_jsonl(source, sentences())
    began = time.monotonic()
    finish(start(source, tiny_checkpoint, tmp_path / "undisturbed"))
    whole = time.monotonic() - began
    expected = files(tmp_path / "undisturbed")

    moment, kills, builds = random.Random(2), 0, 0
    while kills < KILLS:
        root = tmp_path / f"index-{builds}"
        process = start(source, tiny_checkpoint, root)
        try:
            process.wait(timeout=moment.uniform(0.2, 1.0) * whole)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            layout = IndexLayout(root)
            if layout.journal.exists() or not layout.current.exists():
                kills += 1
                continue  # else it was killed when all was done, and the same command would be the next build
        else:
            finish(process)
        assert files(root) == expected
        builds += 1
    finish(start(source, tiny_checkpoint, tmp_path / f"index-{builds}"))
    assert files(tmp_path / f"index-{builds}") == expected
    verify_index(tmp_path / f"index-{builds}")
    passages = open_index(tmp_path / f"index-{builds}").passages
    assert [passage.id for passage in passages] == [f"p{number}" for number in range(PASSAGES)]
