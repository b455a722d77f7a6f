"""The server is killed during an import, and the import too: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dpr.dense.index_type import SegmentContent
from dpr.dense.index_types import index_type_of
from dpr.errors import StoreError
from dpr.search.open import open_index
from index_builder.build import BuildOptions, build
from index_builder.dense import DenseOptions
from index_builder.verify import verify_index
from tests.dpr.dense.contract import random_vectors
from tests.fakes import HashEncoder, WordAnalyzer
from tests.index_builder.test_update import ranked
from tests.small_index import PASSAGES, small_index, write_jsonl
from tests.stores.store import Store, StoreServer


@pytest.mark.parametrize("is_exact", [True, False])
def test_a_server_killed_in_an_import_is_waited_for(
    is_exact: bool, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{store.loader}.BLOCK_VECTORS", 50)
    vectors, path = random_vectors(1200), tmp_path / "dense.faiss"
    kind = store.exact if is_exact else store.graph
    acknowledged: list[int] = []

    def restart() -> None:
        time.sleep(0.3)
        store.server.start()

    restarts: list[threading.Thread] = []

    def progress(_stage: str, loaded: int, _total: int | None) -> None:
        acknowledged.append(loaded)
        if loaded in (200, 700, 1200):  # twice while rows are copied, and once before the end
            store.server.kill()
            restarts.append(threading.Thread(target=restart))
            restarts[-1].start()

    index_type_of(kind).build_segment(SegmentContent(vectors), path, progress)
    for thread in restarts:
        thread.join()
    assert acknowledged == list(range(50, 1201, 50))  # no block was counted twice, none was lost
    assert index_type_of(kind).check(vectors, path).startswith("1,200 vectors")
    top = index_type_of(kind).open(vectors, path).search(vectors[:20], 5)
    expected = index_type_of("flat").open(vectors, path).search(vectors[:20], 5)
    if is_exact:
        np.testing.assert_array_equal(top.rows, expected.rows)
    assert (top.rows[:, 0] == expected.rows[:, 0]).all()


KILLED = """
import sys
from pathlib import Path
from dpr.dense.index_types import index_type_of
from index_builder.build import BuildOptions, build
from index_builder.dense import DenseOptions
from tests.fakes import HashEncoder, WordAnalyzer

loader, kind, output, source = sys.argv[1:]
__import__(loader)
sys.modules[loader].BLOCK_VECTORS = 2
index_class = type(index_type_of(kind))
build_segment = index_class.build_segment
def slow(index_type, content, path, progress):
    def told(stage, loaded, total):
        print(loaded, flush=True)
        if loaded == 4:
            sys.stdin.read()
    build_segment(index_type, content, path, told)
index_class.build_segment = slow
options = BuildOptions(sources=(source,), output=Path(output), dense=DenseOptions(kind))
build(options, HashEncoder(), WordAnalyzer())
"""


def build_until_killed(root: Path, source: str, store: Store, server: StoreServer | None = None) -> None:
    """Start a build, and kill it, and a server, when four vectors are acknowledged."""
    command = [sys.executable, "-c", KILLED, store.loader, store.exact, str(root), source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(2)] == ["2", "4"]
        if server is not None:
            server.kill()
        process.send_signal(signal.SIGKILL)


def test_an_import_and_its_server_are_killed_and_the_same_build_goes_on(tmp_path: Path, store: Store) -> None:
    root, options = tmp_path / "index", DenseOptions(store.exact)
    small_index(root, PASSAGES[:2], dense=options)
    before = ranked(root, ["capital of France"])
    source = write_jsonl(tmp_path / "all.jsonl")
    build_until_killed(root, source, store, store.server)
    store.server.start()
    assert ranked(root, ["capital of France"]) == before  # what was published is served
    (unfinished,) = [name for name in store.tables() if name.startswith("dpr_000002")]
    assert store.count(unfinished) == 4  # what was acknowledged
    build(BuildOptions(sources=(source,), output=root, dense=options), HashEncoder(), WordAnalyzer())
    assert store.count(unfinished) == len(PASSAGES)  # the same table was filled to its end
    verify_index(root, WordAnalyzer())
    small_index(tmp_path / "flat", PASSAGES)
    assert ranked(root) == ranked(tmp_path / "flat")


def test_another_build_drops_the_table_that_a_killed_one_left(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "index"
    build_until_killed(root, write_jsonl(tmp_path / "all.jsonl"), store)
    small_index(root, PASSAGES[:3], dense=DenseOptions(store.exact))
    (name,) = store.tables()
    assert store.count(name) == 3


def test_indexes_are_built_at_once(tmp_path: Path, store: Store) -> None:
    roots = [tmp_path / f"index-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda root: small_index(root, dense=DenseOptions(store.graph)), roots))
    small_index(tmp_path / "flat")
    for root in roots:
        assert ranked(root) == ranked(tmp_path / "flat")


def test_an_open_index_answers_again_after_a_restart(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_index(tmp_path / "index", dense=DenseOptions(store.exact))
    retriever = open_index(tmp_path / "index", HashEncoder(), WordAnalyzer()).retriever("dense")
    expected = retriever.search(["capital of France"], 3)
    store.server.kill()
    try:
        with monkeypatch.context() as hasty:
            hasty.setattr("dpr.dense.server.SEARCH_PATIENCE_S", 0.3)
            with pytest.raises(StoreError, match=f"the database that {store.variable} names cannot be used"):
                retriever.search(["capital of France"], 3)
    finally:
        store.server.start()
    assert retriever.search(["capital of France"], 3) == expected
