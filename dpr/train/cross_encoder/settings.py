"""The settings of a cross-encoder's training."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.train.schedule import LoraSchedule, refuse_below


@dataclass(frozen=True)
class CrossEncoderTraining(LoraSchedule):
    """Settings of a cross-encoder's training, in addition to those of `LoraSchedule`.

    A batch has ``batch_size`` questions, each with its first positive and ``hard_negatives`` negatives, sampled again
    in each epoch: from those of ``dpr mine``, else from the best hits of BM25.
    """

    batch_size: int = 16
    hard_negatives: int = 7

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_size", "hard_negatives"):
            refuse_below(self, name, 1)
