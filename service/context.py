"""What a request carries on its way: its id, its deadline, and whether its client still waits."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.telemetry.times import RequestTimes

Callback = Callable[[], None]


class RequestContext:
    """One request, from its first byte to its answer; it belongs to the event loop.

    Attributes:
        request_id: the id that its answer and its line in the log carry.
        deadline: when its answer is due, in seconds of ``time.monotonic``.
        generation: the index generation that computes for it; None before it is computed.
        times: how long it waited and was computed.
        is_abandoned: whether its client hung up.
    """

    def __init__(self, request_id: str, timeout_s: float) -> None:
        self.request_id = request_id
        self.started = time.monotonic()
        self.timeout_s = timeout_s
        self.deadline = self.started + timeout_s
        self.generation: str | None = None
        self.times = RequestTimes()
        self.is_abandoned = False
        self._callbacks: list[Callback] = []

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - time.monotonic()

    def limit(self, timeout_s: float) -> None:
        """Bring the deadline forward to ``timeout_s`` seconds after the request came; it is never put off."""
        self.timeout_s = min(self.timeout_s, timeout_s)
        self.deadline = self.started + self.timeout_s

    def abandon(self) -> None:
        """Record that the client hung up, and call whoever asked to be told."""
        self.is_abandoned = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_abandoned(self, callback: Callback) -> None:
        """Call ``callback`` once when the client hangs up; at once if it has."""
        if self.is_abandoned:
            callback()
        else:
            self._callbacks.append(callback)
