"""Why a caller is turned away; `service.errors` says with which status."""

from __future__ import annotations

from collections.abc import Mapping

from dpr.errors import DPRError


class RefusedCallerError(DPRError):
    """A request is refused for who sends it, not for what it asks; ``headers`` go with the response."""

    headers: Mapping[str, str] = {}


class UnauthorizedError(RefusedCallerError):
    """There is no key, or none that this server knows."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class ForbiddenError(RefusedCallerError):
    """The key is known, and its scope is too low."""


class OriginRefusedError(RefusedCallerError):
    """A web page of another origin asks, and that origin is not listed."""


class RateLimitedError(RefusedCallerError):
    """The key asks more often than it may."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(retry_after_s)}


class KeysUnreadableError(RefusedCallerError):
    """The file of keys cannot be read or trusted any more, so that nobody can be let in by it."""
