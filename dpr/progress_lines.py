"""Progress as plain lines, for a log file, a container or a CI job: counts, rate and time left, every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dpr.types import Progress

LINE_EVERY_S = 5.0
"""Seconds after which a stage has another line, whether or not anything was finished meanwhile."""

LONGEST_SILENCE_S = 60.0
"""Where no stage is at work, the time between two lines doubles up to this many seconds."""

RATE_AFTER_S = 0.5
"""A stage of less time has no rate: what is divided by a moment says nothing."""


@dataclass(slots=True)
class _Stage:
    """A stage of work: its name, when it was first reported and with what count, and how far it is."""

    name: str
    began_s: float
    first_count: int
    count: int
    total: int | None

    def line(self, now_s: float) -> str:
        """Return what there is to say of the stage at a time."""
        passed_s, units = now_s - self.began_s, self.count - self.first_count
        facts = [f"{self.count:,}" if self.total is None else f"{self.count:,} of {self.total:,}"]
        rate = units / passed_s if passed_s >= RATE_AFTER_S else 0.0
        if rate:
            facts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
        facts.append(f"{duration(passed_s)} so far" if self.count != self.total else f"done in {duration(passed_s)}")
        if rate and self.total is not None and self.count < self.total:
            facts.append(f"{duration((self.total - self.count) / rate)} left")
        return f"{self.name}: {', '.join(facts)}"


class ProgressLines:
    """Turns reports of progress into lines: one for each finished stage, and one every few seconds meanwhile.

    Before the first stage and between two of them the lines become rarer.

    Stages may take turns: each has a time and a rate of its own.

    Args:
        write: takes a line, without its end.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._line_s = self._idle_s = clock()
        self._silence_s = LINE_EVERY_S
        self._stage: _Stage | None = None
        self._unfinished: dict[str, _Stage] = {}
        self._finished: tuple[str, int] | None = None
        self._lock = threading.Lock()

    def report(self, stage: str, count: int, total: int | None) -> None:
        """Take down how far a stage is; a `Progress`."""
        with self._lock:
            if count == total and self._finished == (stage, count):
                return
            now_s, current = self._clock(), self._unfinished.get(stage)
            if current is None or count < current.count:
                current = self._unfinished[stage] = _Stage(stage, now_s, count, count, total)
            self._stage = current
            current.count, current.total, self._finished = count, total, None
            if count != total:
                self._write_if_due(now_s)
                return
            self._write_line(current.line(now_s), now_s)
            del self._unfinished[stage]
            self._stage, self._finished, self._idle_s = None, (stage, count), now_s
            self._silence_s = LINE_EVERY_S

    def tick(self) -> None:
        """Write a line if the last one is too long ago: also while there is nothing to report."""
        with self._lock:
            self._write_if_due(self._clock())

    def _write_if_due(self, now_s: float) -> None:
        if now_s - self._line_s < (self._silence_s if self._stage is None else LINE_EVERY_S):
            return
        if self._stage is not None:
            self._write_line(self._stage.line(now_s), now_s)
        else:
            self._silence_s = min(2 * self._silence_s, LONGEST_SILENCE_S)
            step = f"the step after {self._finished[0]}" if self._finished else "starting"
            self._write_line(f"{step}: {duration(now_s - self._idle_s)} so far", now_s)

    def _write_line(self, line: str, now_s: float) -> None:
        self._line_s = now_s
        self._write(line)


@contextmanager
def progress_lines(write: Callable[[str], None]) -> Iterator[Progress]:
    """Write lines of the progress that the yielded callback reports; a thread sees to it that they keep coming."""
    lines, is_over = ProgressLines(write), threading.Event()

    def keep_ticking() -> None:
        while not is_over.wait(1.0):
            lines.tick()

    ticking = threading.Thread(target=keep_ticking, name="progress", daemon=True)
    ticking.start()
    try:
        yield lines.report
    finally:
        is_over.set()
        ticking.join()


def duration(seconds: float) -> str:
    """Return a time in words for people: ``8 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole_seconds = round(seconds)
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    minutes, remainder = divmod(whole_seconds, 60)
    return f"{minutes} min {remainder:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
