"""The settings of a reader's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dpr.errors import ConfigError
from dpr.train.schedule import LoraSchedule, refuse_below


@dataclass(frozen=True)
class ReaderTraining(LoraSchedule):
    """Settings of a reader's training, in addition to those of `LoraSchedule`.

    A batch has ``batch_tokens`` padded tokens, in windows of similar length.

    ``negative_share`` of the questions are also paired with a passage without their answer, one of the
    ``negative_depth`` best hits of BM25, so that scores of several passages compare. ``altered_share`` of them also
    occur with a replaced name, so that the reader learns what only seems to be an answer (`dpr.train.reader.altered`).
    ``relevance_head`` adds a logit at [CLS]: whether the window contains the answer. Its loss is weighted by
    ``relevance_weight``, that of the span by 1.

    ``start_from`` is a reader of the same base and rank to start from; heads that it lacks start untrained.
    """

    epochs: int = 2
    learning_rate: float = 1e-4
    warmup_share: float = 0.06
    metric: str = "f1"

    batch_tokens: int = 6144
    negative_share: float = 0.25
    negative_depth: int = 10
    altered_share: float = 0.0
    relevance_head: bool = False
    relevance_weight: float = 0.5
    start_from: str = ""

    metrics: ClassVar[tuple[str, ...]] = ("f1", "exact_match")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_tokens", "negative_depth"):
            refuse_below(self, name, 1)
        for name in ("negative_share", "altered_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; choose a share from 0 to 1")
        if not 0 <= self.relevance_weight < float("inf"):
            raise ConfigError(f"relevance_weight is {self.relevance_weight}; choose 0 or more, such as 0.5")
