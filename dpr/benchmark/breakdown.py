"""One metric by groups of questions: language, question word, answer, overlap, passage length, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from dpr.benchmark.measured import Measured, measured
from dpr.benchmark.traits import TRAITS
from dpr.evaluation.compare import SEED
from dpr.evaluation.metrics import Values
from dpr.types import IntArray

FEW_QUESTIONS = 30
"""Groups of fewer questions are marked in the Markdown: their means say little."""


@dataclass(frozen=True, slots=True)
class Group:
    """The questions that share a trait's value, and each system's mean over them by name."""

    trait: str
    value: str
    count: int
    systems: Mapping[str, Measured]

    @property
    def is_small(self) -> bool:
        """Whether there are too few questions to say much."""
        return self.count < FEW_QUESTIONS

    def as_json(self) -> dict[str, object]:
        """Return the group as JSON values."""
        return {
            "trait": self.trait,
            "value": self.value,
            "count": self.count,
            "systems": {name: asdict(mean) for name, mean in self.systems.items()},
        }


def break_down(
    traits: Sequence[Mapping[str, str]],
    values: Mapping[str, Values],
    documents: IntArray | None = None,
    seed: int = SEED,
) -> tuple[Group, ...]:
    """Return each system's mean for each value of each trait, the values by falling number of questions.

    Args:
        traits: each question's traits by name, in the order of the questions.
        values: one metric by question, (Q,), of each system.
        documents: the number of each question's document, (Q,); None: questions are drawn alone.
        seed: of what is drawn at random.
    """
    groups: list[Group] = []
    for trait in TRAITS:
        column = np.array([of_question.get(trait, "") for of_question in traits])
        names, counts = np.unique(column[column != ""], return_counts=True)
        for name, count in sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1]):
            rows = np.flatnonzero(column == name)
            subset = None if documents is None else documents[rows]
            systems = {system: _mean(by_question[rows], subset, seed) for system, by_question in values.items()}
            groups.append(Group(trait, name, count, systems))
    return tuple(groups)


def _mean(values: Values, documents: IntArray | None, seed: int) -> Measured:
    return measured(values, documents, seed) if len(values) > 1 else Measured(float(values[0]), 0.0, 1.0)
