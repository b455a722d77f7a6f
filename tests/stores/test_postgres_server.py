"""What PostgreSQL alone has: a lock for each table, a limit for each statement, and replicas."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dpr.dense.index_type import SegmentContent
from dpr.dense.postgres import table
from dpr.dense.postgres.connection import Database, database
from dpr.dense.server import close_all
from dpr.errors import IndexFormatError, StoreError
from dpr.types import no_progress
from index_builder.dense import DenseOptions
from tests.dpr.dense.contract import random_vectors
from tests.index_builder.test_update import ranked
from tests.small_index import small_index
from tests.stores.postgres_server import PostgresServer

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")

pytestmark = pytest.mark.postgres


def count_rows(uri: str, name: str) -> int:
    with psycopg.connect(uri) as connection:
        row = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])


def test_two_loads_of_one_table_fill_it_once(tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
