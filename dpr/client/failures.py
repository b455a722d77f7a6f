"""Responses that are no success, and connections that fail, as errors of `dpr.errors`; and what is worth a retry."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from dpr.errors import RefusedByServerError, ServerBusyError, ServerError, ServerTimeoutError

logger = logging.getLogger(__name__)

KINDS: Mapping[int, type[ServerError]] = {
    429: ServerBusyError,
    503: ServerBusyError,
    504: ServerTimeoutError,
}
"""Status to error; other statuses of 400 to 499 are refusals, and what is left is the server's failure."""

RETRIED = frozenset({429, 503})
FIRST_WAIT_S = 0.25
MOST_WAIT_S = 8.0


def failure_of(status: int, body: Any, request_id: str) -> ServerError:
    """Return the error that a body in the one shape of errors tells of."""
    error = body.get("error") if isinstance(body, Mapping) else None
    fields = error if isinstance(error, Mapping) else {}
    code = str(fields.get("code") or "http_error")
    message = str(fields.get("message") or f"the server answered with status {status} and no reason; look into its log")
    kind = KINDS.get(status) or (RefusedByServerError if 400 <= status < 500 else ServerError)
    return kind(message, status=status, code=code, request_id=request_id, field=str(fields.get("field") or ""))


@dataclass(slots=True)
class Patience:
    """How long a call may still take: attempts and waits together end before ``deadline`` of ``time.monotonic``.

    A server that cannot be connected to is asked again before ``connect_deadline`` alone.
    """

    deadline: float
    connect_deadline: float = math.inf
    attempt: int = 0

    @classmethod
    def from_timeouts(cls, timeout_s: float, connect_timeout_s: float | None, now: float) -> Patience:
        """Return that of a call which begins now; see `dpr.client.Client`."""
        return cls(now + timeout_s, math.inf if connect_timeout_s is None else now + connect_timeout_s)

    def pause_s(self, failure: ServerError, retry_after: str, now: float) -> float:
        """Return the seconds to wait before another attempt; log, before the first wait of a call alone, what failed.

        Args:
            failure: of the attempt.
            retry_after: the response's ``Retry-After``, seconds or a date (RFC 9110, 10.2.3); empty where it has none.
            now: the moment, of ``time.monotonic``.

        Raises:
            ServerError: the failure, where there is to be no other attempt.
        """
        if failure.status and failure.status not in RETRIED:
            raise failure
        wait_s = _server_wait_s(retry_after)
        if wait_s is None:
            wait_s = min(MOST_WAIT_S, FIRST_WAIT_S * 2.0**self.attempt) * random.uniform(0.75, 1.25)  # noqa: S311
        deadline = self.deadline if failure.status else min(self.deadline, self.connect_deadline)
        if now + wait_s >= deadline:
            raise failure
        if self.attempt == 0:
            logger.warning("%s (asking again for up to %d s)", failure, math.ceil(deadline - now))
        self.attempt += 1
        return wait_s


def _server_wait_s(retry_after: str) -> float | None:
    with suppress(ValueError):
        return max(0.0, float(retry_after))
    with suppress(ValueError):
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return None
