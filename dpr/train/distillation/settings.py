"""The settings of a distillation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from dpr.errors import ConfigError
from dpr.train.encoder.settings import EncoderSchedule

OBJECTIVES = ("vectors", "parallel", "scores")
"""What a student learns from its teacher."""


@dataclass(frozen=True)
class Distillation(EncoderSchedule):
    """Settings of a distillation, in addition to those of `EncoderSchedule`.

    Teacher: ``teacher`` names a dual encoder. For the objective ``scores``, ``cross_encoder`` may name a sequence
    classifier of one logit instead. The student starts from ``base``; ``shared`` makes it one BERT for questions and
    passages. ``normalize`` None normalizes as the teacher does if its vectors are learned, else as the base does.

    Batches: ``batch_size`` texts, or questions with their first positive and ``hard_negatives`` negatives.

    Scores: ``temperature`` divides the student's scores and ``teacher_temperature`` the teacher's; None is 0.05 for a
    dual encoder of normalized vectors and 1 for any other. ``label_weight`` is the weight of the in-batch loss of `dpr
    train` in the sum; 0 uses the soft labels alone.
    """

    objective: str = "vectors"
    teacher: str = ""
    cross_encoder: str = ""

    shared: bool = True
    batch_size: int = 64
    hard_negatives: int = 7

    teacher_temperature: float | None = None
    label_weight: float = 0.0

    record_key: ClassVar[str] = "distillation"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective not in OBJECTIVES:
            raise ConfigError(f"unknown objective {self.objective!r}; choose {', '.join(OBJECTIVES)}")
        if self.teacher and self.cross_encoder:
            raise ConfigError(
                f"there are two teachers, teacher {self.teacher!r} and cross_encoder {self.cross_encoder!r}; give one"
            )
        if not self.teacher and not self.cross_encoder:
            raise ConfigError("there is no teacher; name a dual encoder, or a cross_encoder for the objective 'scores'")
        if self.cross_encoder and self.objective != "scores":
            raise ConfigError(
                f"the objective {self.objective!r} needs vectors, which a cross_encoder does not have; "
                "choose the objective 'scores' or give a teacher"
            )
        if self.teacher_temperature is not None and not 0 < self.teacher_temperature < math.inf:
            raise ConfigError(f"teacher_temperature is {self.teacher_temperature}; choose a number above 0, such as 1")
        if not 0 <= self.label_weight < math.inf:
            raise ConfigError(f"label_weight is {self.label_weight}; choose 0 or more, such as 0.5")

    def for_student(self, teacher_normalizes: bool) -> Distillation:
        """Return the settings with the student's normalization, by default the teacher's."""
        return self if self.normalize is not None else replace(self, normalize=teacher_normalizes)
