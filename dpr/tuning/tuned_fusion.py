"""Fitted fusion weights and how they came about: what `dpr.tuning.fusion` finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from dpr.benchmark.report import QuestionSet
from dpr.search.fusion import Fusion
from dpr.search.retrievers import DEFAULT_DEPTH
from dpr.tuning.one_standard_error import Choice, HeldOut
from dpr.versions import library_versions


@dataclass(frozen=True, slots=True)
class Point:
    """Weights by list, and what fusion with them achieves by metric."""

    weights: Mapping[str, float]
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Tuned:
    """Fitted weights and how they came about; ``choice`` holds places in ``curve``.

    ``documents`` is the number of documents that the gold passages are of: the units of evidence.
    """

    method: str
    coverage_power: float
    objective: str
    curve: tuple[Point, ...]
    choice: Choice
    held_out: HeldOut | None
    questions: QuestionSet
    documents: int
    generation: str

    @property
    def chosen(self) -> Point:
        """The chosen weights."""
        return self.curve[self.choice.chosen]

    @property
    def fusion(self) -> Fusion:
        """The fusion with the chosen weights."""
        return Fusion(self.method, self.chosen.weights, coverage_power=self.coverage_power)

    def summary(self, command: str) -> dict[str, object]:
        """Return what a file of the weights says of where they come from, as JSON values."""
        return {
            "objective": self.objective,
            "metrics": dict(self.chosen.metrics),
            "questions": asdict(self.questions),
            "documents": self.documents,
            "command": command,
        }

    def as_json(self) -> dict[str, object]:
        """Return all that was found, the whole curve included, as JSON values."""
        return {
            "method": self.method,
            "coverage_power": self.coverage_power,
            "weights": dict(self.chosen.weights),
            "objective": self.objective,
            "metrics": dict(self.chosen.metrics),
            "best": asdict(self.curve[self.choice.best]),
            "held_out": asdict(self.held_out) if self.held_out else None,
            "curve": [
                {**asdict(point), "on_plateau": number in self.choice.plateau}
                for number, point in enumerate(self.curve)
            ],
            "questions": asdict(self.questions),
            "documents": self.documents,
            "generation": self.generation,
            "depth": DEFAULT_DEPTH,
            "versions": library_versions(),
        }
