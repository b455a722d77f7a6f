"""A database as tests see it, whichever it is: its tables, and ways to damage them."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np

from dpr.dense.milvus.connection import driver
from tests.stores.milvus_server import MilvusServer
from tests.stores.postgres_server import PostgresServer


class StoreServer(Protocol):
    """A server that tests may kill."""

    def kill(self) -> None: ...

    def start(self) -> None: ...


class Store(Protocol):
    """An empty database, which the environment names.

    Attributes:
        exact: the index type that compares every row.
        graph: the index type with a graph.
        noun: what the database calls a table.
        variable: the environment variable with its address.
        loader: the module that loads tables.
        server: its server.
    """

    exact: str
    graph: str
    noun: str
    variable: str
    loader: str

    @property
    def server(self) -> StoreServer: ...

    def tables(self) -> set[str]: ...

    def count(self, name: str) -> int: ...

    def drop(self, name: str) -> None: ...

    def change_vector(self, name: str) -> None: ...

    def remove_row(self, name: str) -> None: ...


class PostgresStore:
    """A schema of PostgreSQL."""

    exact, graph, noun = "postgres", "postgres-hnsw", "table"
    variable, loader = "DPR_POSTGRES", "dpr.dense.postgres.table"

    def __init__(self, uri: str, server: PostgresServer) -> None:
        self.uri = uri
        self.server = server

    def _execute(self, statement: str) -> list[Any]:
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def tables(self) -> set[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        return {name for (name,) in self._execute(query)}

    def count(self, name: str) -> int:
        return int(self._execute(f"SELECT count(*) FROM {name}")[0][0])  # noqa: S608

    def drop(self, name: str) -> None:
        self._execute(f"DROP TABLE {name}")

    def change_vector(self, name: str) -> None:
        self._execute(f"UPDATE {name} SET embedding = embedding * embedding WHERE vector = 3")  # noqa: S608

    def remove_row(self, name: str) -> None:
        self._execute(f"DELETE FROM {name} WHERE vector = 3")  # noqa: S608


class MilvusStore:
    """A database of Milvus."""

    exact, graph, noun = "milvus", "milvus-hnsw", "collection"
    variable, loader = "DPR_MILVUS_URI", "dpr.dense.milvus.collection"
    strong: ClassVar[dict[str, Any]] = {"consistency_level": "Strong"}

    def __init__(self, uri: str, server: MilvusServer) -> None:
        self.uri = uri
        self.server = server

    @property
    def _client(self) -> Any:
        return driver().MilvusClient(self.uri, timeout=10)

    def tables(self) -> set[str]:
        return set(self._client.list_collections())

    def count(self, name: str) -> int:
        self._client.load_collection(name)
        return int(self._client.query(name, filter="", output_fields=["count(*)"], **self.strong)[0]["count(*)"])

    def drop(self, name: str) -> None:
        self._client.drop_collection(name)

    def change_vector(self, name: str) -> None:
        (row,) = self._client.query(name, filter="vector == 3", output_fields=["*"], **self.strong)
        self._client.upsert(name, [{**row, "embedding": np.square(row["embedding"], dtype=np.float32)}])

    def remove_row(self, name: str) -> None:
        self._client.delete(name, ids=[3])
