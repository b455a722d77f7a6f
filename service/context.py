"""What a request carries on its way: its id, its deadline, and whether its client still waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from service.errors import DeadlineError
from service.telemetry.times import RequestTimes

Callback = Callable[[], None]
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


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

    async def in_thread(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Call a function in a thread, and wait for it until the deadline.

        Raises:
            DeadlineError: it has passed; the function goes on to its end.
        """
        try:
            async with asyncio.timeout(self.remaining_s) as timer:
                return await asyncio.to_thread(function, *args, **kwargs)
        except TimeoutError:
            if not timer.expired():
                raise
            raise DeadlineError(
                f"the request was not answered within {self.timeout_s:g} s, and may be carried out all the same; look, "
                "and allow more time"
            ) from None
