"""The result of `dpr.tuning.fusion`: tuned fusion weights with the curve that they were chosen from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from dpr.benchmark.setup import QuestionSet
from dpr.search.fusion import DEFAULT_DEPTH, Fusion
from dpr.tuning.one_standard_error import Choice, HeldOut
from dpr.versions import library_versions


@dataclass(frozen=True, slots=True)
class Point:
    """Weights by list, and the metrics of a fusion with them."""

    weights: Mapping[str, float]
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TunedFusion:
    """Tuned weights with the curve that they were chosen from; ``choice`` has indices of ``curve``.

    ``documents`` is the number of documents of the gold passages, which are the independent units.
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
    def selected(self) -> Point:
        """The selected weights with their metrics."""
        return self.curve[self.choice.selected]

    @property
    def fusion(self) -> Fusion:
        """The fusion with the selected weights."""
        return Fusion(self.method, self.selected.weights, coverage_power=self.coverage_power)

    def summary(self, command: str) -> dict[str, object]:
        """Return the origin of the weights for their file, as JSON values."""
        return {
            "objective": self.objective,
            "metrics": dict(self.selected.metrics),
            "questions": asdict(self.questions),
            "documents": self.documents,
            "command": command,
        }

    def as_json(self) -> dict[str, object]:
        """Return the result with the whole curve, as JSON values."""
        return {
            "method": self.method,
            "coverage_power": self.coverage_power,
            "weights": dict(self.selected.weights),
            "objective": self.objective,
            "metrics": dict(self.selected.metrics),
            "best": asdict(self.curve[self.choice.best]),
            "held_out": asdict(self.held_out) if self.held_out else None,
            "curve": [
                {**asdict(point), "on_plateau": number in self.choice.within_error}
                for number, point in enumerate(self.curve)
            ],
            "questions": asdict(self.questions),
            "documents": self.documents,
            "generation": self.generation,
            "depth": DEFAULT_DEPTH,
            "versions": library_versions(),
        }
