"""Headers that requests to a generator carry beside the client's own: those that tell whose work they are."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

OUTGOING_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("outgoing_headers", default=MappingProxyType({}))
"""Set by a server for the question that it answers, such as to a trace context; no key belongs here."""
