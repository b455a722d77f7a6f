"""A bound on the log: lines beyond so many a second are counted, and the count is told, instead of written."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

LINES_PER_S = 100
BURST_LINES = 1_000


class LineLimit(logging.Filter):
    """Lets ``burst`` lines through at once and ``rate`` lines a second; the next line says how many were left out.

    Each level has a limit of its own, so that a flood of refusals hides no error.
    """

    def __init__(
        self, rate: float = LINES_PER_S, burst: int = BURST_LINES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = Lock()
        self._allowance: dict[int, tuple[float, float]] = {}
        self._left_out: dict[int, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written."""
        with self._lock:
            now, level = self._clock(), record.levelno
            allowance, before = self._allowance.get(level, (float(self._burst), now))
            allowance = min(self._burst, allowance + (now - before) * self._rate)
            if allowance < 1:
                self._allowance[level] = allowance, now
                self._left_out[level] = self._left_out.get(level, 0) + 1
                return False
            self._allowance[level] = allowance - 1, now
            lines = self._left_out.pop(level, 0)
        if lines:
            record.msg = f"{record.getMessage()} ({lines:,} lines before this one were left out)"
            record.args = ()
        return True
