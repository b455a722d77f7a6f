"""The report of a benchmark: metrics, cost, questions, versions and machine, as JSON and as a table."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dpr.durable import replacing
from dpr.versions import library_versions


@dataclass(frozen=True, slots=True)
class Cost:
    """Time of a system's searches, in milliseconds: for a question in a batch, and for a single question."""

    batch_questions: int
    batch_ms_per_question: float
    single_questions: int
    single_ms_p50: float
    single_ms_p95: float


@dataclass(frozen=True, slots=True)
class System:
    """The metrics of one retriever by name, and its cost."""

    metrics: Mapping[str, float]
    cost: Cost

    def as_json(self) -> dict[str, object]:
        """Return the system as JSON values."""
        return {
            "metrics": {name: {"value": value} for name, value in self.metrics.items()},
            "cost": {name: getattr(self.cost, name) for name in Cost.__slots__},
        }


@dataclass(frozen=True, slots=True)
class Pool:
    """The passages that were searched: their number and the index generation that holds them."""

    passages: int
    generation: str


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions of a benchmark.

    ``count`` questions were judged. The gold passages of ``gold_missing`` of them are not in the pool; they count as
    misses. ``left_out`` questions have no gold passage (unanswerable, or not labelled). ``absent_passages`` judgements
    are of passages that are not in the pool. ``without_text`` judged questions have no text in the data set and are
    left out. ``own_passages`` questions are passages of the pool themselves.
    """

    source: str
    count: int
    gold_missing: int
    left_out: int
    absent_passages: int = 0
    without_text: int = 0
    own_passages: int = 0

    def notes(self) -> list[str]:
        """Return a sentence for each count that matters to the metrics."""
        sentences = {
            f"{self.absent_passages:,} judged passages are not in the index; they count as not found": (
                self.absent_passages
            ),
            f"{self.without_text:,} judged questions have no text in the data set and are left out": self.without_text,
            f"{self.own_passages:,} questions are passages of the index themselves: a question does not find itself, "
            "it is left out of its hits before metrics and run files are made (ignore_identical_ids of BEIR)": (
                self.own_passages
            ),
        }
        return [sentence for sentence, count in sentences.items() if count]


@dataclass(frozen=True, slots=True)
class FusionUsed:
    """The fusion of the hybrid system, with its missing-document rule.

    ``coverage_power`` sets how strongly a question's weights follow coverage.
    """

    method: str
    weights: Mapping[str, float] | None
    rrf_constant: float
    missing_rule: str
    coverage_power: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a benchmark without the runs; ``depth`` hits of each system were measured.

    ``reranker`` describes the reranker of the systems named ``…+rerank``, and the milliseconds that it added to a
    question.
    """

    systems: Mapping[str, System]
    pool: Pool
    questions: QuestionSet
    depth: int
    fusion: FusionUsed | None = None
    command: str = ""
    reranker: Mapping[str, object] | None = None

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON values, with the versions and this machine."""
        return {
            "systems": {name: system.as_json() for name, system in self.systems.items()},
            "pool": _fields(self.pool),
            "questions": _fields(self.questions),
            "notes": self.questions.notes(),
            "depth": self.depth,
            "fusion": _fields(self.fusion) if self.fusion else None,
            "reranker": self.reranker,
            "command": self.command,
            "versions": library_versions(),
            "machine": machine(),
        }

    def table(self) -> list[tuple[str, ...]]:
        """Return the rows of the table for the screen, the head first: shares in per cent, times in milliseconds."""
        metrics = list(next(iter(self.systems.values())).metrics)
        head = ("retriever", *metrics, "ms/question", "p50 ms", "p95 ms")
        return [head, *(_row(name, system, metrics) for name, system in self.systems.items())]


def _row(name: str, system: System, metrics: Sequence[str]) -> tuple[str, ...]:
    cost = system.cost
    times = (cost.batch_ms_per_question, cost.single_ms_p50, cost.single_ms_p95)
    return (name, *(f"{100 * system.metrics[metric]:.1f}" for metric in metrics), *(f"{time:.2f}" for time in times))


def _fields(record: Pool | QuestionSet | FusionUsed) -> dict[str, object]:
    return {name: getattr(record, name) for name in type(record).__slots__}


def write_report(path: Path, report: Report) -> None:
    """Write a report as JSON, atomically."""
    text = json.dumps(report.as_json(), ensure_ascii=False, indent=2, allow_nan=False, default=dict)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def machine() -> dict[str, object]:
    """Return a description of this machine."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
