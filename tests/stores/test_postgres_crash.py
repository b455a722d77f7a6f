"""The server is killed during an import, the import too, and several write at once: nothing acknowledged is lost."""

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

from dpr.dense.index_types import index_type_of
from dpr.dense.postgres import table
from dpr.dense.postgres.connection import Database, close_all, database
from dpr.errors import IndexFormatError, StoreError
from dpr.search.open import open_index
from index_builder.build import BuildOptions, build
from index_builder.dense import DenseOptions
from index_builder.verify import verify_index
from tests.dpr.dense.contract import random_vectors
from tests.fakes import HashEncoder, WordAnalyzer
from tests.index_builder.test_update import ranked
from tests.small_index import PASSAGES, small_index, write_jsonl
from tests.stores.postgres_server import PostgresServer

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")

pytestmark = pytest.mark.postgres


def count_rows(uri: str, name: str) -> int:
    with psycopg.connect(uri) as connection:
        row = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("kind", ["postgres", "postgres-hnsw"])
def test_a_server_killed_in_an_import_is_waited_for(
    kind: str, tmp_path: Path, postgres: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "BLOCK_VECTORS", 50)
    vectors, path = random_vectors(1200), tmp_path / "dense.faiss"
    acknowledged: list[int] = []

    def restart() -> None:
        time.sleep(0.3)
        postgres_server.start()

    restarts: list[threading.Thread] = []

    def progress(_stage: str, loaded: int, _total: int | None) -> None:
        acknowledged.append(loaded)
        if loaded in (200, 700, 1200):  # twice while rows are copied, and once before the end
            postgres_server.kill()
            restarts.append(threading.Thread(target=restart))
            restarts[-1].start()

    from dpr.dense.index_type import SegmentContent

    index_type_of(kind).build_segment(SegmentContent(vectors), path, progress)
    for thread in restarts:
        thread.join()
    assert acknowledged == list(range(50, 1201, 50))  # no block was counted twice, none was lost
    assert index_type_of(kind).check(vectors, path).startswith("1,200 vectors")
    top = index_type_of(kind).open(vectors, path).search(vectors[:20], 5)
    expected = index_type_of("flat").open(vectors, path).search(vectors[:20], 5)
    if kind == "postgres":
        np.testing.assert_array_equal(top.rows, expected.rows)
    assert (top.rows[:, 0] == expected.rows[:, 0]).all()


KILLED = """
import os, sys
from pathlib import Path
from dpr.dense.postgres import table
from index_builder.build import BuildOptions, build
from index_builder.dense import DenseOptions
from tests.fakes import HashEncoder, WordAnalyzer

table.BLOCK_VECTORS = 2
copy = table._copy_block
def slow(*arguments):
    loaded = copy(*arguments)
    print(loaded, flush=True)
    if loaded == 4:
        sys.stdin.read()
    return loaded
table._copy_block = slow
output, source = sys.argv[1:]
options = BuildOptions(sources=(source,), output=Path(output), dense=DenseOptions("postgres"))
build(options, HashEncoder(), WordAnalyzer())
"""


def build_until_killed(root: Path, source: str, postgres_server: PostgresServer | None = None) -> None:
    """Start a build, and kill it, and its server, when four vectors are acknowledged."""
    command = [sys.executable, "-c", KILLED, str(root), source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(2)] == ["2", "4"]
        if postgres_server is not None:
            postgres_server.kill()
        process.send_signal(signal.SIGKILL)


def tables(uri: str, prefix: str) -> list[str]:
    with psycopg.connect(uri) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND starts_with(tablename, %s)"
        return [name for (name,) in connection.execute(query, [prefix])]


def test_an_import_and_its_server_are_killed_and_the_same_build_goes_on(
    tmp_path: Path, postgres: str, postgres_server: PostgresServer
) -> None:
    root = tmp_path / "index"
    small_index(root, PASSAGES[:2], dense=DenseOptions("postgres"))
    before = ranked(root, ["capital of France"])
    source = write_jsonl(tmp_path / "all.jsonl")
    build_until_killed(root, source, postgres_server)
    postgres_server.start()
    assert ranked(root, ["capital of France"]) == before  # what was published is served
    (unfinished,) = tables(postgres, "dpr_000002")
    assert count_rows(postgres, unfinished) == 4  # what was acknowledged
    build(BuildOptions(sources=(source,), output=root, dense=DenseOptions("postgres")), HashEncoder(), WordAnalyzer())
    assert count_rows(postgres, unfinished) == len(PASSAGES)  # the same table was filled to its end
    verify_index(root, WordAnalyzer())
    small_index(tmp_path / "flat", PASSAGES)
    assert ranked(root) == ranked(tmp_path / "flat")


def test_another_build_drops_the_table_that_a_killed_one_left(tmp_path: Path, postgres: str) -> None:
    root = tmp_path / "index"
    build_until_killed(root, write_jsonl(tmp_path / "all.jsonl"))
    small_index(root, PASSAGES[:3], dense=DenseOptions("postgres"))
    (name,) = tables(postgres, "dpr_")
    assert count_rows(postgres, name) == 3


def test_two_loads_of_one_table_fill_it_once(tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dpr.dense.index_type import SegmentContent
    from dpr.types import no_progress

    monkeypatch.setattr(table, "BLOCK_VECTORS", 20)
    vectors = random_vectors(500)
    server = database()
    with ThreadPoolExecutor(4) as pool:
        loads = [
            pool.submit(table.load, server, "dpr_shared", SegmentContent(vectors), None, no_progress) for _ in range(4)
        ]
        for load in loads:
            load.result()
    assert count_rows(postgres, "dpr_shared") == 500


def test_indexes_are_built_at_once(tmp_path: Path, postgres: str) -> None:
    roots = [tmp_path / f"index-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda root: small_index(root, dense=DenseOptions("postgres-hnsw")), roots))
    small_index(tmp_path / "flat")
    for root in roots:
        assert ranked(root) == ranked(tmp_path / "flat")


def test_an_open_index_answers_again_after_a_restart(
    tmp_path: Path, postgres: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpr.dense.server.SEARCH_PATIENCE_S", 0.3)
    small_index(tmp_path / "index", dense=DenseOptions("postgres"))
    retriever = open_index(tmp_path / "index", HashEncoder(), WordAnalyzer()).retriever("dense")
    expected = retriever.search(["capital of France"], 3)
    postgres_server.kill()
    try:
        with pytest.raises(StoreError, match=r"the database that DPR_POSTGRES names cannot be used"):
            retriever.search(["capital of France"], 3)
    finally:
        postgres_server.start()
    assert retriever.search(["capital of France"], 3) == expected


def test_a_statement_that_takes_too_long_is_given_up(postgres: str) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"took longer than 0\.2 seconds; set DPR_POSTGRES_TIMEOUT_S higher"):
        Database(postgres, timeout_s=0.2).run(lambda connection: connection.execute("SELECT pg_sleep(5)"))
    assert time.monotonic() - began < 3


def test_a_replica_that_is_behind_is_waited_for(
    tmp_path: Path, postgres: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = PostgresServer(postgres_server)
    try:
        with psycopg.connect(replica.uri, autocommit=True) as connection:
            connection.execute("SELECT pg_wal_replay_pause()")
            small_index(tmp_path / "index", dense=DenseOptions("postgres"))
            expected = ranked(tmp_path / "index")
            of_replica = postgres.replace(postgres_server.uri, replica.uri)
            monkeypatch.setenv("DPR_POSTGRES", of_replica)
            monkeypatch.setenv("DPR_POSTGRES_TIMEOUT_S", "1")
            with pytest.raises(IndexFormatError, match="the database has no table"):
                ranked(tmp_path / "index")
            monkeypatch.setenv("DPR_POSTGRES_TIMEOUT_S", "30")
            resume = threading.Timer(1.0, lambda: connection.execute("SELECT pg_wal_replay_resume()"))
            resume.start()
            assert ranked(tmp_path / "index") == expected
            resume.join()
        with pytest.raises(StoreError, match="read-only transaction"):
            small_index(tmp_path / "another", dense=DenseOptions("postgres"))
    finally:
        close_all()
        replica.stop()
