"""A job: documents that were accepted together, and what became of them."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from typing import Literal

Kind = Literal["put", "delete", "import"]
State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        id: its id; ids sort in the order of acceptance.
        kind: what was asked: one document put, one deleted, or an import.
        documents: how many documents it changes.
        accepted_utc: when it was accepted, and on the disk.
        state: ``queued``, ``running``, or how it ended.
        finished_utc: when it ended.
        generation: the generation that has its changes.
        error: why it failed, or why it is tried again.
        stage: what is being done of it, of a build's stages.
        completed: how much of the stage is done, in the stage's own unit.
        total: how much the stage has; None: not known.
    """

    id: str
    kind: Kind
    documents: int
    accepted_utc: str
    state: State = "queued"
    finished_utc: str | None = None
    generation: str | None = None
    error: str | None = None
    stage: str | None = None
    completed: int | None = None
    total: int | None = None


class JobIds:
    """Makes ids that sort in the order of their making, and behind ``after``, also where the clock was put back."""

    def __init__(self, after: str = "") -> None:
        self._last_ms = int(after.partition("-")[0] or "0", 16)
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Return a new id."""
        with self._lock:
            self._last_ms = max(self._last_ms + 1, time.time_ns() // 1_000_000)
            return f"{self._last_ms:012x}-{secrets.token_hex(4)}"


def now_utc() -> str:
    """Return the time, as it is written down."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
