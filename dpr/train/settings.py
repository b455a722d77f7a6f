"""The settings of a training run, with what each is good for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from dpr.config import DEFAULT_BASE
from dpr.errors import ConfigError


@dataclass(frozen=True)
class Schedule:
    """What every training here has in common: how long, how fast, in which arithmetic, and which weights are kept.

    A step sees ``accumulation_steps`` batches, averaged. The model sees chunks of ``chunk_tokens`` padded tokens (0:
    what suits the device).

    Weights: ``lora_rank`` 0 trains all weights, above that a LoRA adapter. ``dropout`` is off: in a few epochs it
    gained nothing here, and on a CPU it takes a quarter of the time.

    Validation, each ``validate_steps`` (0: after every epoch), keeps the best weights by ``metric`` and stops after
    ``patience`` validations in a row without a better one (0: never).
    """

    base: str = DEFAULT_BASE

    epochs: int = 1
    max_steps: int = 0
    accumulation_steps: int = 1
    chunk_tokens: int = 0

    learning_rate: float = 5e-5
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    dropout: float = 0.0
    lora_rank: int = 0
    lora_alpha: int = 64

    validate_steps: int = 0
    metric: str = "mrr"
    patience: int = 0

    precision: str = "auto"
    checkpoint_steps: int = 100
    seed: int = 1

    metrics: ClassVar[tuple[str, ...]] = ("mrr", "recall@1", "recall@20", "rank")
    """What a validation can choose the best weights by; ``rank`` is the gold passage's mean rank, less is better."""

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulation_steps", "checkpoint_steps"):
            refuse_below(self, name, 1)
        for name in ("max_steps", "chunk_tokens", "lora_rank", "validate_steps", "patience"):
            refuse_below(self, name, 0)
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate is {self.learning_rate}; choose a number above 0, such as 5e-5")
        if not 0 <= self.warmup_share < 1 or not 0 <= self.dropout < 1:
            raise ConfigError("warmup_share and dropout are shares, from 0 up to but not including 1")
        if self.metric not in self.metrics:
            raise ConfigError(f"unknown metric {self.metric!r}; choose {', '.join(self.metrics)}")


def refuse_below(settings: object, name: str, least: int) -> None:
    """Refuse a setting that is a smaller number than it may be.

    Raises:
        ConfigError: it is.
    """
    if getattr(settings, name) < least:
        limit = f"be at least {least}" if least else "not be negative"
        raise ConfigError(f"{name} is {getattr(settings, name)}; it must {limit}")


@dataclass(frozen=True)
class Training(Schedule):
    """Settings of a run; lengths count special tokens, None takes the base's own. `Schedule` has the rest.

    A prompt is put before every question, or passage, and is saved with the encoder.

    Batches: a step sees ``batch_size`` questions, at most ``questions_per_passage`` of which share a passage, and
    ``hard_negatives`` further passages for each question that has some. Passages of one document are hard negatives of
    each other: ``document_passages`` of them come into a batch together. ``separate_sources`` fills a batch from one
    data set where it can: negatives of the same kind are harder, too. ``gradient_cache`` encodes each chunk twice so
    that only one is in memory; None does so where a batch would take too much (`dpr.train.memory`).
    ``accumulation_steps`` batches are averaged before a step; that adds no negatives.

    Loss: ``temperature`` None is 0.05 for normalized vectors and 1 for raw inner products; ``learn_temperature`` trains
    it. ``symmetric`` adds the loss of finding the question by its passage.

    Weights: ``shared`` trains one BERT for both roles.
    """

    shared: bool = False
    pooling: str | None = None
    normalize: bool | None = None
    question_tokens: int | None = None
    passage_tokens: int | None = None
    question_prompt: str | None = None
    passage_prompt: str | None = None

    batch_size: int = 128
    questions_per_passage: int = 2
    document_passages: int = 8
    hard_negatives: int = 1
    separate_sources: bool = True
    gradient_cache: bool | None = None

    temperature: float | None = None
    learn_temperature: bool = False
    symmetric: bool = False

    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_size", "questions_per_passage", "document_passages"):
            refuse_below(self, name, 1)
        refuse_below(self, "hard_negatives", 0)
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}; choose a number above 0, such as 0.05")
