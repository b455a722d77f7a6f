"""Connections to the PostgreSQL that the environment names: kept for later, replaced when they break, without secrets.

The connection string is in ``DPR_POSTGRES``, or in the file that ``DPR_POSTGRES_FILE`` names. It is neither written to
an index nor shown in a message.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from dpr.dense.server import TIMEOUT_S, AbsentTableError, Result, Server, setting, shared, timeout_setting
from dpr.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from psycopg import Connection

LEAST_PGVECTOR = (0, 8)
"""The first version that looks further where a filter leaves too few rows."""

_BROKEN_STATES = ("08", "57P01", "57P02", "57P03", "53300")
"""SQLSTATEs after which another attempt may succeed: a lost connection, a server that stops or starts, no free slot."""


class Database(Server["Connection[Any]"]):
    """A database of PostgreSQL. Work gets a connection in autocommit mode that nobody else uses meanwhile."""

    variable = "DPR_POSTGRES"
    timeout_variable = "DPR_POSTGRES_TIMEOUT_S"
    credentials = "the password"

    def __init__(self, conninfo: str, timeout_s: float = TIMEOUT_S) -> None:
        """Prepare for a connection string; nothing is connected yet.

        Raises:
            ConfigError: the string cannot be read.
            MissingDependencyError: psycopg is not installed.
        """
        psycopg = driver()
        try:
            password = str(psycopg.conninfo.conninfo_to_dict(conninfo).get("password") or "")
        except psycopg.Error:  # its message would show a part of the string
            raise ConfigError(
                f"the connection string of {self.variable} cannot be read; write postgresql://USER@HOST:5432/DATABASE"
            ) from None
        super().__init__(password, timeout_s)
        self._conninfo = conninfo
        self._idle: deque[tuple[int, Connection[Any]]] = deque()
        self._lock = Lock()

    def _attempt(self, work: Callable[[Connection[Any]], Result]) -> Result:
        connection = self._take() or self._connect()
        self._was_reached = True
        try:
            result = work(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, driver().errors.UndefinedTable):
                raise AbsentTableError from error
            raise
        with self._lock:
            self._idle.append((os.getpid(), connection))
        return result

    def _connect(self) -> Connection[Any]:
        psycopg = driver()
        connection: Connection[Any] = psycopg.connect(
            self._conninfo,
            autocommit=True,
            connect_timeout=max(2, round(min(self.timeout_s, 10))),
            tcp_user_timeout=round(self.timeout_s * 1000),
            application_name="dense-passage-retrieval",
        )
        milliseconds = round(self.timeout_s * 1000)
        # a plan for any LIMIT and any filter would leave the graph out
        connection.execute(
            f"SET statement_timeout = {milliseconds}; SET synchronous_commit = on; SET jit = off; "
            "SET plan_cache_mode = force_custom_plan"
        )
        _register_vectors(connection)
        return connection

    def _take(self) -> Connection[Any] | None:
        with self._lock:
            while self._idle:
                process, connection = self._idle.pop()
                if process == os.getpid() and not connection.closed:
                    return connection
        return None

    def close(self) -> None:
        """Close the connections that nobody uses; the next work opens another one."""
        while (connection := self._take()) is not None:
            connection.close()

    def _errors(self) -> tuple[type[Exception], ...]:
        return (driver().Error,)

    def _is_broken(self, error: Exception) -> bool:
        psycopg = driver()
        state = getattr(error, "sqlstate", None)
        if state is None:  # libpq gives none where it cannot connect, or loses the connection
            return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return str(state).startswith(_BROKEN_STATES)

    def _is_timeout(self, error: Exception) -> bool:
        return getattr(error, "sqlstate", None) == "57014"


def driver() -> Any:
    """Return psycopg.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise MissingDependencyError.extra("psycopg", "postgres") from error  # noqa: S610 - not Django's
    return psycopg


def database() -> Database:
    """Return the database that the environment names, the same for the same settings.

    Raises:
        ConfigError: none is named, or the connection string or the timeout cannot be read.
        MissingDependencyError: psycopg is not installed.
    """
    conninfo = setting(Database.variable, "DPR_POSTGRES_FILE")
    if not conninfo:
        raise ConfigError(
            f"no database is named; set {Database.variable} to a connection string such as "
            "postgresql://USER@HOST:5432/DATABASE, or DPR_POSTGRES_FILE to a file with one"
        )
    return shared(Database, conninfo, timeout_setting(Database.timeout_variable))


class Vector(bytes):
    """A vector in pgvector's binary form: its dimension, two zero bytes, and its numbers in network order."""


def _register_vectors(connection: Any) -> None:
    """Let a connection send `Vector`, if the database has pgvector."""
    from psycopg.adapt import Dumper
    from psycopg.pq import Format
    from psycopg.types import TypeInfo

    info = TypeInfo.fetch(connection, "vector")
    if info is None:
        return
    info.register(connection)

    class VectorDumper(Dumper):  # type: ignore[misc]  # the driver may be absent
        """Sends the bytes as they are."""

        format = Format.BINARY
        oid = info.oid

        def dump(self, obj: Vector) -> bytes:
            """Return the bytes."""
            return bytes(obj)

    connection.adapters.register_dumper(Vector, VectorDumper)


def require_vectors(connection: Any) -> None:
    """Create the extension pgvector in the database if it is absent.

    Raises:
        ConfigError: it is not installed on the server, too old, or this user may not create it.
    """
    psycopg = driver()
    query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    row = connection.execute(query).fetchone()
    if row is None:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.errors.UniqueViolation:  # another process creates it at this moment
            pass
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            raise ConfigError(
                "the database has no extension pgvector, and this user cannot create it; let its administrator install "
                "pgvector and run CREATE EXTENSION vector"
            ) from None
        row = connection.execute(query).fetchone()
        _register_vectors(connection)
    version = str(row[0])
    if tuple(int(number) for number in version.split(".")[:2]) < LEAST_PGVECTOR:
        raise ConfigError(
            f"the database has pgvector {version}; install at least {LEAST_PGVECTOR[0]}.{LEAST_PGVECTOR[1]}"
        )
