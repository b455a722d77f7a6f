"""Fitted fusion weights, how they came about, and the file that keeps them: what `dpr.search.tune` finds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dpr.durable import write_atomically
from dpr.errors import DataError, RequestError
from dpr.evaluation.report import QuestionSet, versions
from dpr.search.fusion import RRF_CONSTANT, Fusion
from dpr.search.hybrid import DEFAULT_DEPTH
from dpr.search.open import HYBRID_LISTS
from dpr.search.plateau import Choice, HeldOut

HANGUL, DEFAULT = "hangul", "default"
"""The parts of a file of weights by script: for questions with Hangul, and for all others."""


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
        return Fusion(self.method, self.chosen.weights)

    @property
    def arguments(self) -> str:
        """What to write behind ``dpr search`` and ``dpr benchmark``; empty where their hybrid fuses other lists."""
        if set(self.chosen.weights) != set(HYBRID_LISTS):
            return ""
        method = [] if self.method == Fusion().method else [f"--fusion {self.method}"]
        return " ".join(method + [f"--weight {name}={weight:g}" for name, weight in self.chosen.weights.items()])

    def as_json(self) -> dict[str, object]:
        """Return JSON values, of which `read_fusion` reads the method, the constant and the weights."""
        return {
            "method": self.method,
            "rrf_constant": RRF_CONSTANT,
            "weights": dict(self.chosen.weights),
            "arguments": self.arguments,
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
            "versions": versions(),
        }


@dataclass(frozen=True, slots=True)
class TunedByScript:
    """Weights fitted to the questions with Hangul, and others fitted to all other questions."""

    hangul: Tuned
    default: Tuned

    @property
    def parts(self) -> dict[str, Tuned]:
        """Both, by their names in the file."""
        return {HANGUL: self.hangul, DEFAULT: self.default}

    @property
    def fusion(self) -> Fusion:
        """The fusion that chooses by a question's script."""
        return replace(self.default.fusion, hangul=self.hangul.fusion)

    def as_json(self) -> dict[str, object]:
        """Return JSON values, those of `Tuned` for each part."""
        return {name: part.as_json() for name, part in self.parts.items()}


def write_tuned(path: Path, tuned: Tuned | TunedByScript, command: str = "") -> None:
    """Write what was found, and the command that found it, as JSON."""
    text = json.dumps({**tuned.as_json(), "command": command}, ensure_ascii=False, indent=2, allow_nan=False)
    write_atomically(path, text + "\n")


def read_fusion(path: Path) -> Fusion:
    """Read the fusion of a file that `write_tuned` wrote.

    Raises:
        DataError: there is no such file, it is not of this form, or a value is out of range.
    """
    if not path.is_file():
        raise DataError.at(path, None, "there is no such file; dpr tune --output writes one")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if HANGUL in found:
            return replace(_fusion(found[DEFAULT]), hangul=_fusion(found[HANGUL]))
        return _fusion(found)
    except RequestError as error:
        raise DataError.at(path, None, str(error)) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError.at(path, None, f"it is not a file of dpr tune --output ({error!r}); write it anew") from None


def _fusion(found: Any) -> Fusion:
    weights = {str(name): float(weight) for name, weight in found["weights"].items()}
    return Fusion(str(found["method"]), weights, float(found["rrf_constant"]))
