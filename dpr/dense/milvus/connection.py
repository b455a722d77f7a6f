"""The Milvus that the environment names.

Its address is in ``DPR_MILVUS_URI``; a token, or a user with a password, in ``DPR_MILVUS_TOKEN``, or in the file that
``DPR_MILVUS_TOKEN_FILE`` names. Neither is written to an index, and the token is not shown in a message.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dpr.dense.server import TIMEOUT_S, AbsentTableError, Result, Server, setting, shared, timeout_setting
from dpr.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

LEAST_MILVUS = (2, 5)
"""The first version whose fields may be null."""

NOT_CONNECTED, RATE_LIMITED, COLLECTION_ABSENT, NOT_LOADED, INDEX_ABSENT = 2, 8, 100, 101, 700
"""Milvus's codes of errors."""


class Database(Server["MilvusClient"]):
    """A database of Milvus. The work of all threads shares one client."""

    variable = "DPR_MILVUS_URI"
    timeout_variable = "DPR_MILVUS_TIMEOUT_S"
    credentials = "the token"

    def __init__(self, uri: str, token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """Prepare for an address; nothing is connected yet.

        Raises:
            ConfigError: the address cannot be read.
            MissingDependencyError: pymilvus is not installed.
        """
        driver()
        try:
            address = urlsplit(uri)
            is_address = address.scheme in ("http", "https") and bool(address.hostname) and address.username is None
        except ValueError:
            is_address = False
        if not is_address:  # it may have a password, so it is not shown
            raise ConfigError(
                f"the address in {self.variable} cannot be used; write http://HOST:19530 or "
                "http://HOST:19530/DATABASE, and a password into DPR_MILVUS_TOKEN as USER:PASSWORD"
            )
        super().__init__(token, timeout_s)
        self._uri = uri
        self._client: tuple[int, MilvusClient] | None = None
        self._lock = Lock()

    def _attempt(self, work: Callable[[MilvusClient], Result]) -> Result:
        client = self._connect()
        self._was_reached = True
        try:
            return work(client)
        except driver().MilvusException as error:
            if error.code == COLLECTION_ABSENT:
                raise AbsentTableError from error
            raise

    def _connect(self) -> MilvusClient:
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                client = driver().MilvusClient(uri=self._uri, token=self._secret, timeout=min(self.timeout_s, 10.0))
                self._client = (os.getpid(), client)
            return self._client[1]

    def close(self) -> None:
        """Close the client; the next work opens another one."""
        with self._lock:
            if self._client is not None and self._client[0] == os.getpid():
                self._client[1].close()
            self._client = None

    def _errors(self) -> tuple[type[Exception], ...]:
        import grpc

        return (driver().MilvusException, grpc.RpcError)

    def _is_broken(self, error: Exception) -> bool:
        code = _code(error)
        return code in (NOT_CONNECTED, RATE_LIMITED, "UNAVAILABLE") or bool(getattr(error, "retriable", False))

    def _is_timeout(self, error: Exception) -> bool:
        return _code(error) == "DEADLINE_EXCEEDED"

    def _message(self, error: Exception) -> str:
        details = getattr(error, "details", None)
        return str(details()) if callable(details) else str(getattr(error, "message", error))


def _code(error: Exception) -> int | str:
    """Return Milvus's number of an error, or the name of gRPC's status."""
    code: Any = getattr(error, "code", None)
    code = code() if callable(code) else code
    return str(code.name) if hasattr(code, "name") and not isinstance(code, int) else code


def driver() -> Any:
    """Return pymilvus, whose own log is silent: it would show each error with its traceback once more.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import pymilvus
    except ImportError as error:
        raise MissingDependencyError.extra("pymilvus", "milvus") from error  # noqa: S610 - not Django's
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
    return pymilvus


def database() -> Database:
    """Return the database that the environment names, the same for the same settings.

    Raises:
        ConfigError: none is named, or a setting cannot be read.
        MissingDependencyError: pymilvus is not installed.
    """
    uri = os.environ.get(Database.variable, "")
    if not uri:
        raise ConfigError(f"no database is named; set {Database.variable} to an address such as http://HOST:19530")
    token = setting("DPR_MILVUS_TOKEN", "DPR_MILVUS_TOKEN_FILE")
    return shared(Database, uri, token, timeout_setting(Database.timeout_variable))


def require_version(client: MilvusClient) -> None:
    """Refuse a Milvus whose fields cannot be null.

    Raises:
        ConfigError: it is too old.
    """
    version = str(client.get_server_version())
    match = re.match(r"v?(\d+)\.(\d+)", version)
    if match and (int(match[1]), int(match[2])) < LEAST_MILVUS:
        raise ConfigError(f"the database is Milvus {version}; use at least {LEAST_MILVUS[0]}.{LEAST_MILVUS[1]}")
