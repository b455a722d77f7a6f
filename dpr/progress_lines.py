"""Progress as plain lines, for a log file, a container or a CI job: counts, rate and time left, every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dpr.types import Progress

LINE_EVERY_S = 5.0
"""Seconds after which a stage has another line, whether or not anything was finished meanwhile."""

LONGEST_SILENCE_S = 60.0
"""Where no stage is at work, the time between two lines doubles up to this many seconds."""

RATE_AFTER_S = 0.5
"""A stage of less time has no rate: what is divided by a moment says nothing."""


STAGES: Mapping[str, tuple[str, str]] = {
    "checksums": ("checking the index's files", "files"),
    "colbert": ("encoding passages with ColBERT", "passages"),
    "compact": ("copying what is not deleted", "rows"),
    "compare": ("comparing sources with the index", "documents"),
    "compare systems": ("testing systems for differences", "metrics"),
    "corpus": ("reading passages from the sources", "passages"),
    "dense": ("building the vector index", "vectors"),
    "documents": ("converting documents to text", "documents"),
    "draw charts": ("drawing the report's charts", "charts"),
    "encode": ("encoding passages into vectors", "vectors"),
    "encode after": ("encoding with the second encoder", "passages"),
    "encode before": ("encoding with the first encoder", "passages"),
    "explain disagreements": ("explaining how systems disagree", "questions"),
    "export": ("writing passages to the file", "passages"),
    "fetch": ("fetching source files", "files"),
    "fuse": ("trying weights of the fusion", "settings"),
    "measure systems": ("measuring systems", "systems"),
    "mine": ("mining hard negatives with", "questions"),
    "questions": ("writing questions on passages", "questions"),
    "read": ("finding answers in passages", "questions"),
    "retrieve": ("retrieving passages with", "questions"),
    "seal": ("writing the index to disk", "files"),
    "search": ("retrieving passages with", "questions"),
    "send": ("sending passages to Ray", "pieces"),
    "shard": ("writing shard", "passages"),
    "splade": ("encoding passages with SPLADE", "passages"),
    "survey": ("reading and measuring passages", "passages"),
    "teacher": ("computing the teacher's targets", "texts"),
    "terms": ("counting the passages' terms", "passages"),
    "tokenize": ("cutting texts into tokens", "texts"),
    "train": ("training the model", "steps"),
    "try depths of reranking": ("trying depths of reranking", "settings"),
    "try fusions": ("trying fusions of the lists", "settings"),
    "try k1 and b": ("trying k1 and b of BM25", "settings"),
    "verify": ("checking the index", "checks"),
    "vocabulary": ("counting words for the vocabulary", "texts"),
    "weights": ("computing BM25 and TF-IDF weights", "files"),
    "windows": ("cutting long passages into windows", "passages"),
}
"""What a stage does to what, and what it counts, by its name or by the name's first word: ``search bm25``."""


def stage_words(name: str) -> tuple[str, str]:
    """Return what a stage does to what, and what it counts; an unknown stage is called by its name."""
    if name in STAGES:
        return STAGES[name]
    first, _, rest = name.partition(" ")
    doing, unit = STAGES.get(first, (first, ""))
    return f"{doing} {rest}".rstrip(), unit


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
        doing, unit = stage_words(self.name)
        number = self.count if self.total is None else self.total
        counted = f"{self.count:,}" if self.total is None else f"{self.count:,} of {self.total:,}"
        facts = [f"{counted} {unit.removesuffix('s') if number == 1 else unit}".rstrip()]
        rate = units / passed_s if passed_s >= RATE_AFTER_S else 0.0
        if rate:
            facts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
        facts.append(f"{duration(passed_s)} so far" if self.count != self.total else f"done in {duration(passed_s)}")
        if rate and self.total is not None and self.count < self.total:
            facts.append(f"{duration((self.total - self.count) / rate)} left")
        return f"{doing}: {', '.join(facts)}"


class ProgressLines:
    """Turns reports of progress into lines: one for each finished stage, and one every few seconds meanwhile.

    Before the first stage and between two of them the lines become rarer.

    Stages may take turns: each has a time and a rate of its own.

    Args:
        write: takes a line, without its end.
        first: what is done before the first stage, to what: ``loading the encoder``.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(self, write: Callable[[str], None], first: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._idle_words = first
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
            self._idle_words = f"at work after {stage_words(stage)[0]}"
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
            self._write_line(f"{self._idle_words}: {duration(now_s - self._idle_s)} so far", now_s)

    def _write_line(self, line: str, now_s: float) -> None:
        self._line_s = now_s
        self._write(line)


@contextmanager
def progress_lines(write: Callable[[str], None], first: str) -> Iterator[Progress]:
    """Write lines of the progress that the yielded callback reports; a thread sees to it that they keep coming."""
    lines, is_over = ProgressLines(write, first), threading.Event()

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
