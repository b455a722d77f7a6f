"""The report of a benchmark as one value, from which every file of its folder is made.

All arrays over questions, (Q,), are in the order of ``questions``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dpr.benchmark.breakdown import Group
from dpr.benchmark.contestant import NO_WORDS, Cost
from dpr.benchmark.failures import Disagreement, clusters
from dpr.benchmark.machine import machine
from dpr.benchmark.measured import Measured
from dpr.benchmark.pairs import Pair
from dpr.benchmark.setup import Pool, QuestionSet
from dpr.benchmark.words import Bilingual, phrase
from dpr.durable import replacing
from dpr.evaluation.compare import SEED
from dpr.evaluation.metrics import Values
from dpr.search.fusion import Fusion
from dpr.types import IntArray, Passage
from dpr.versions import library_versions


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """One system of a report.

    Attributes:
        metrics: each metric's mean by name, as shares.
        values: the same metrics by question, (Q,) each.
        ranks: the rank of each question's first relevant passage, (Q,); 0: not among the hits.
        scores: the score of that passage, (Q,); NaN where there is none.
        curve: mean recall@1, recall@2, … recall@depth, (depth,).
        cost: None for a run that was not searched here.
        summary: a few words on what it is.
        warnings: sentences that belong beside its numbers.
        fusion: how it fused, with the weight of each list; None if it fused none, or was not searched here.
    """

    metrics: Mapping[str, Measured]
    values: Mapping[str, Values]
    ranks: IntArray
    scores: Values
    curve: Values
    cost: Cost | None = None
    summary: Bilingual = NO_WORDS
    warnings: tuple[Bilingual, ...] = ()
    fusion: Fusion | None = None

    @property
    def means(self) -> dict[str, float]:
        """The mean of each metric by name, as shares."""
        return {name: measured.value for name, measured in self.metrics.items()}

    @property
    def fusion_words(self) -> Bilingual:
        """How it fused; empty if it fused nothing."""
        if self.fusion is None:
            return NO_WORDS
        weights = ", ".join(f"{name} {weight:.3g}" for name, weight in (self.fusion.weights or {}).items())
        power, depth = f"{self.fusion.coverage_power:g}", self.fusion.depth
        return phrase("fusion of", {"method": self.fusion.method, "weights": weights, "power": power, "depth": depth})

    def as_json(self) -> dict[str, object]:
        """Return the system as JSON values, without those by question."""
        return {
            "summary": self.summary.english,
            "metrics": {name: asdict(measured) for name, measured in self.metrics.items()},
            "cost": self.cost.as_json() if self.cost else None,
            "fusion": {**_fields(self.fusion), "missing_rule": self.fusion.missing_rule} if self.fusion else None,
            "recall_curve": self.curve.tolist(),
            "warnings": [warning.english for warning in self.warnings],
        }


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """A question of a report: its text, its gold answers, its gold passages by id, and the traits it is grouped by."""

    id: str
    text: str
    answers: tuple[str, ...]
    gold: tuple[str, ...]
    document: str = ""
    traits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """The result of a benchmark without the runs.

    Attributes:
        systems: the systems by name, in the order in which they were named.
        questions: the judged questions.
        pool: the passages that were searched.
        question_set: the counts of the questions, and where they come from.
        depth: how many hits of each system were measured.
        command: the command line.
        reranker: the reranker of the systems named ``…+rerank``, and the milliseconds that it added to a question.
        primary: the metric that ranks the systems.
        first_hits: a system gets a question if a relevant passage is among so many hits.
        documents: of how many documents the gold passages are, which are drawn as a whole; None: questions are drawn.
        pairs: every pair of systems by each compared metric.
        groups: the primary metric by groups of questions.
        disagreements: each question that one system gets and another misses.
        passages: the passages that the disagreements name, by id.
        seed: of everything that was drawn at random.
    """

    systems: Mapping[str, System]
    questions: Sequence[JudgedQuestion]
    pool: Pool
    question_set: QuestionSet
    depth: int
    command: str = ""
    reranker: Mapping[str, object] | None = None
    primary: str = ""
    first_hits: int = 1
    documents: int | None = None
    pairs: tuple[Pair, ...] = ()
    groups: tuple[Group, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    passages: Mapping[str, Passage] = field(default_factory=dict)
    seed: int = SEED

    @property
    def ranking(self) -> list[str]:
        """The systems by falling primary metric; of equal ones, the one that was named first."""
        return sorted(self.systems, key=lambda name: -self.systems[name].means[self.primary])

    @property
    def compared(self) -> list[str]:
        """The metrics by which pairs are compared."""
        return list(dict.fromkeys(pair.metric for pair in self.pairs))

    @property
    def traits(self) -> list[str]:
        """The traits by which questions are grouped."""
        return list(dict.fromkeys(group.trait for group in self.groups))

    def pair(self, first: str, second: str, metric: str = "") -> Pair:
        """Return the comparison of two systems by a metric, the primary one if none is named."""
        names = {first, second}
        return next(
            pair
            for pair in self.pairs
            if pair.metric == (metric or self.primary) and {pair.first, pair.second} == names
        )

    def notes(self) -> list[Bilingual]:
        """Return the sentences that a reader of the numbers should know."""
        warnings = (warning for system in self.systems.values() for warning in system.warnings)
        return [*self.question_set.notes(), *dict.fromkeys(warnings)]

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON values, with the versions and this machine, without what is by question."""
        return {
            "systems": {name: system.as_json() for name, system in self.systems.items()},
            "pool": _fields(self.pool),
            "questions": _fields(self.question_set),
            "notes": [note.english for note in self.notes()],
            "depth": self.depth,
            "primary": self.primary,
            "first_hits": self.first_hits,
            "documents": self.documents,
            "seed": self.seed,
            "pairs": [pair.as_json() for pair in self.pairs],
            "groups": [group.as_json() for group in self.groups],
            "clusters": clusters(self.disagreements, list(self.systems)),
            "reranker": self.reranker,
            "command": self.command,
            "versions": library_versions(),
            "machine": machine(),
        }

    def per_question(self) -> dict[str, object]:
        """Return what is known of each question, as JSON columns in one order."""
        return {
            "id": [question.id for question in self.questions],
            "document": [question.document for question in self.questions],
            "traits": {
                trait: [question.traits.get(trait, "") for question in self.questions]
                for trait in (self.questions[0].traits if self.questions else ())
            },
            "disagreements": [disagreement.as_json() for disagreement in self.disagreements],
            "systems": {
                name: {
                    "rank": system.ranks.tolist(),
                    **{metric: _column(values) for metric, values in system.values.items()},
                }
                for name, system in self.systems.items()
            },
        }

    def table(self) -> list[tuple[str, ...]]:
        """Return the rows of the table for the screen, the head first: shares in per cent, times in milliseconds."""
        metrics = [name for name in next(iter(self.systems.values())).metrics if name.startswith(SHOWN)]
        head = ("retriever", *metrics, "ms/question", "p50 ms", "p95 ms")
        return [head, *(_row(name, system, metrics) for name, system in self.systems.items())]


SHOWN = ("recall@", "mrr@", "ndcg@")
"""How the names of the metrics begin that a table on the screen has room for."""


def _row(name: str, system: System, metrics: Sequence[str]) -> tuple[str, ...]:
    cost = system.cost
    times = (cost.batch_ms_per_question, cost.single_ms_p50, cost.single_ms_p95) if cost else (None, None, None)
    shares = (f"{100 * system.metrics[metric].value:.1f}" for metric in metrics)
    return (name, *shares, *("" if time is None else f"{time:.2f}" for time in times))


def _fields(record: Pool | QuestionSet | Fusion) -> dict[str, object]:
    return {name: getattr(record, name) for name in type(record).__slots__}


def _column(values: Values) -> list[float]:
    """Return values by question, as short as they can be read back: most are 0 or 1."""
    return [int(value) if value in (0, 1) else value for value in values.tolist()]


def write_report(path: Path, report: BenchmarkReport) -> None:
    """Write a report as JSON, atomically: ``per_question`` in lines of its own, everything else indented.

    Raises:
        ValueError: a number is not finite, which JSON cannot say.
    """
    head = json.dumps(report.as_json(), ensure_ascii=False, indent=2, allow_nan=False, default=dict)
    columns = json.dumps(report.per_question(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    open_head = head.removesuffix("\n}")
    with replacing(path) as temporary:
        temporary.write_text(f'{open_head},\n  "per_question": {columns}\n}}\n', encoding="utf-8")
