"""A limit on requests of each key: a token bucket (Turner 1986, "New directions in communications")."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from service.security.keys import KeyRecord
from service.security.refusals import RateLimitedError


class RateLimiter:
    """One bucket of tokens for each key: a request takes one, and they come back at the key's rate.

    Args:
        rate_per_s: requests a second of a key without a limit of its own; None for no limit.
        burst: tokens that a full bucket holds, the requests that may come at once.
        clock: seconds, never going back.
    """

    def __init__(self, rate_per_s: float | None, burst: int = 10, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # key id: tokens, and when they were counted

    def take(self, record: KeyRecord) -> None:
        """Take one token of a key.

        Raises:
            RateLimitedError: there is none; it says when there will be.
        """
        rate = self._rate_per_s if record.rate_per_s is None else record.rate_per_s
        if rate is None:
            return
        now = self._clock()
        tokens, counted = self._buckets.get(record.id, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - counted) * rate)
        if tokens < 1:
            self._buckets[record.id] = (tokens, now)
            wait_s = max(1, math.ceil((1 - tokens) / rate))
            sentence = f"the key {record.id} may ask {rate:g} times a second, {self._burst} times at once"
            raise RateLimitedError(f"{sentence}; ask again in {wait_s} s", wait_s)
        self._buckets[record.id] = (tokens - 1, now)
