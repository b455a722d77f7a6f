"""A typed client of the service, for threads and for asyncio: `Client` and `AsyncClient`. It needs httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpr.client.pieces import AnswerPiece as AnswerPiece
from dpr.client.pieces import Retrieved as Retrieved
from dpr.client.pieces import WrittenText as WrittenText
from dpr.errors import MissingDependencyError

if TYPE_CHECKING:
    from dpr.client.asynchronous import AsyncClient as AsyncClient
    from dpr.client.synchronous import Client as Client
else:

    def __getattr__(name):
        if name not in ("Client", "AsyncClient"):
            raise AttributeError(f"module 'dpr.client' has no attribute {name!r}")
        try:
            from dpr.client import asynchronous, synchronous
        except ModuleNotFoundError as error:
            if error.name != "httpx":
                raise
            raise MissingDependencyError.extra("httpx", "client") from error  # noqa: S610  not Django's
        return synchronous.Client if name == "Client" else asynchronous.AsyncClient
