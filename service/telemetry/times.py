"""How long one request waited and was computed, stage by stage; what its response, log line and trace are made from."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(slots=True)
class StageTime:
    """One stage of a request: the pieces that computed it, from the start of the first to the end of the last.

    Attributes:
        started: start of the first piece, seconds of ``time.perf_counter``.
        ended: end of the last piece.
        seconds: time of the pieces themselves; other requests in the same piece count it too.
        pieces: how many there were.
    """

    started: float
    ended: float
    seconds: float = 0.0
    pieces: int = 0


class RequestTimes:
    """Times of one request. The thread that computes writes them; the event loop reads them when it responds."""

    def __init__(self) -> None:
        self.queue_s = 0.0
        self.stages: dict[str, StageTime] = {}
        self._queued: float | None = None

    def queued(self) -> None:
        """Note that the request waits for its turn from now on."""
        self._queued = time.perf_counter()

    def piece(self, stage: str, started: float, ended: float) -> None:
        """Note a piece of a stage that was computed, and that the request waited for it until it started."""
        if self._queued is not None:
            self.queue_s += max(0.0, started - self._queued)
            self._queued = None
        entry = self.stages.setdefault(stage, StageTime(started, ended))
        entry.ended = ended
        entry.seconds += ended - started
        entry.pieces += 1

    def header(self, total_s: float) -> str:
        """Return the value of ``Server-Timing`` (W3C Server Timing), durations in milliseconds."""
        durations = {"queue": self.queue_s, **{name: stage.seconds for name, stage in self.stages.items()}}
        all_durations = {**(durations if self.stages else {}), "total": total_s}
        return ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in all_durations.items())
