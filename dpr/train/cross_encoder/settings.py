"""The settings of a cross-encoder's training, with what each is good for."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.train.schedule import LoraSchedule, refuse_below


@dataclass(frozen=True)
class CrossEncoderTraining(LoraSchedule):
    """Settings of a run; `LoraSchedule` has the rest.

    A step sees ``batch_size`` questions. Each is read together with its first positive and with ``hard_negatives``
    others, drawn anew in each epoch: of those that ``dpr mine`` found for it, else of those that BM25 finds best.
    """

    batch_size: int = 16
    hard_negatives: int = 7

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_size", "hard_negatives"):
            refuse_below(self, name, 1)
