"""What a contestant of a benchmark hands in: its run, its cost, and how it explains a passage's rank.

This is where a benchmark takes new systems from: anything that gives a `SystemRun` for the judged questions, be it a
retriever of an index or a run file of another program, is compared with all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dpr.benchmark.words import Bilingual
from dpr.search.fusion import Fusion
from dpr.types import ListExplanation

NO_WORDS = Bilingual("", "")

ScoredRun = Mapping[str, Sequence[tuple[str, float]]]
"""For each question id, (passage id, score) of what was retrieved, best first."""

Explain = Callable[[str, str, str], ListExplanation | None]
"""Tells what a system says of a passage: question id, question text and passage id in; None if it cannot tell."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a system's searches cost, measured in the run that measured its quality.

    Attributes:
        batch_questions: how many questions are searched together in a batch.
        batch_ms_per_question: the time of all batches, divided by the questions, in milliseconds.
        single_questions: how many questions were also searched one by one.
        single_ms_p50: median time of one of them, in milliseconds.
        single_ms_p95: time that 95 % of them did not exceed.
        batch_ms_p50: median time of a full batch, in milliseconds; None without a full batch.
        batch_ms_p95: time that 95 % of the full batches did not exceed.
        index_bytes: size of the index's files that this system reads; None if it has no index.
        build_s: time to build these files, by the index's record, in seconds.
        memory_bytes: by how much the process grew when the system was opened and searched first.
    """

    batch_questions: int
    batch_ms_per_question: float
    single_questions: int
    single_ms_p50: float
    single_ms_p95: float
    batch_ms_p50: float | None = None
    batch_ms_p95: float | None = None
    index_bytes: int | None = None
    build_s: float | None = None
    memory_bytes: int | None = None

    @property
    def questions_per_s(self) -> float:
        """Questions per second in batches."""
        return 1000 / self.batch_ms_per_question if self.batch_ms_per_question else 0.0

    def as_json(self) -> dict[str, float | None]:
        """Return the numbers as JSON values."""
        return {name: getattr(self, name) for name in Cost.__slots__} | {"questions_per_s": self.questions_per_s}


@dataclass(frozen=True, slots=True)
class SystemRun:
    """What one system retrieved for the judged questions.

    Attributes:
        name: its name in the report and of its run file, different from all others'.
        run: the hits of each question, at most the benchmark's depth; a question may be missing and then scores 0.
        summary: a few words on what it is: ``nearest vectors``, or the file that the run was read from.
        cost: None for a run that was not searched here.
        explain: what the system says of a passage; None if nothing is known but ranks and scores.
        trained_on: the questions, by id, that the system's model was trained on; empty if it was trained on none.
        warnings: sentences that belong beside its numbers.
        fusion: how it fuses lists, with the weight of each list; None if it fuses none, or was not searched here.
    """

    name: str
    run: ScoredRun
    summary: Bilingual = NO_WORDS
    cost: Cost | None = None
    explain: Explain | None = None
    trained_on: frozenset[str] = frozenset()
    warnings: tuple[Bilingual, ...] = field(default=())
    fusion: Fusion | None = None
