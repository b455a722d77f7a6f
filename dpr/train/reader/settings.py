"""The settings of a reader's training, with what each is good for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dpr.errors import ConfigError
from dpr.train.schedule import LoraSchedule, refuse_below


@dataclass(frozen=True)
class ReaderTraining(LoraSchedule):
    """Settings of a run; `LoraSchedule` has the rest.

    A step sees ``batch_tokens`` padded tokens, in windows of like length.

    ``negative_share`` of the questions are also shown a passage without their answer, one of the ``negative_depth``
    that BM25 finds best, so that scores of several passages compare. ``altered_share`` of them are also asked of their
    own passage with a name exchanged for another, so that the reader learns what only seems to be answered
    (`dpr.train.reader.altered`). ``relevance_head`` adds one number to the model,
    read at [CLS]: whether the window holds the answer. Its loss counts ``relevance_weight`` times that of the span.

    ``start_from`` is a reader of the same base and rank whose weights the training goes on from; parts that it lacks
    start untrained.
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
                raise ConfigError(f"{name} is {getattr(self, name)}; it is a share, from 0 to 1")
        if not 0 <= self.relevance_weight < float("inf"):
            raise ConfigError(f"relevance_weight is {self.relevance_weight}; choose 0 or more, such as 0.5")
