"""The settings that every training has: how long, how fast, in which arithmetic, and which weights are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from dpr.config import DEFAULT_BASE
from dpr.errors import ConfigError


@dataclass(frozen=True)
class Schedule:
    """What every training here has in common: how long, how fast, in which arithmetic, and which weights are kept.

    A run ends after ``epochs`` passes over the data, or after ``max_steps`` steps (0: only after the epochs). A step
    sees ``accumulation_steps`` batches, averaged. The model sees chunks of ``chunk_tokens`` padded tokens (0: what
    suits the device). ``dropout`` is off: in a few epochs it gained nothing here, and on a CPU it takes a quarter of
    the time.

    Validation, each ``validate_steps`` (0: after every epoch), keeps the best weights by ``metric`` and stops after
    ``patience`` validations in a row without a better one (0: never).
    """

    base: str = DEFAULT_BASE

    epochs: int = 1
    max_steps: int | None = 0
    accumulation_steps: int = 1
    chunk_tokens: int = 0

    learning_rate: float = 5e-5
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    dropout: float = 0.0

    validate_steps: int = 0
    metric: str = "mrr"
    patience: int = 0

    precision: str = "auto"
    checkpoint_steps: int = 100
    seed: int = 1

    metrics: ClassVar[tuple[str, ...]] = ("mrr", "recall@1", "recall@20", "rank")
    """What a validation can choose the best weights by; ``rank`` is the gold passage's mean rank."""

    lower_is_better: ClassVar[tuple[str, ...]] = ("rank",)

    memory_remedy: ClassVar[str] = "lower chunk_tokens or cut texts shorter"
    """What to do where a step does not fit in memory."""

    record_key: ClassVar[str] = "training"
    """What a record calls the settings."""

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulation_steps", "checkpoint_steps"):
            refuse_below(self, name, 1)
        for name in ("max_steps", "chunk_tokens", "validate_steps", "patience"):
            refuse_below(self, name, 0)
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate is {self.learning_rate}; choose a number above 0, such as 5e-5")
        if not 0 <= self.warmup_share < 1 or not 0 <= self.dropout < 1:
            raise ConfigError("warmup_share and dropout are shares, from 0 up to but not including 1")
        if self.metric not in self.metrics:
            raise ConfigError(f"unknown metric {self.metric!r}; choose {', '.join(self.metrics)}")

    @property
    def passes(self) -> int:
        """How often a run goes over its data at most."""
        return self.epochs

    def as_score(self, metrics: Mapping[str, float]) -> float:
        """Return what the best weights are chosen by, as a number of which more is better."""
        return -metrics[self.metric] if self.metric in self.lower_is_better else metrics[self.metric]


@dataclass(frozen=True)
class LoraSchedule(Schedule):
    """A `Schedule` of a training of all weights (``lora_rank`` 0), or of a LoRA adapter of this rank."""

    lora_rank: int = 0
    lora_alpha: int = 64

    memory_remedy: ClassVar[str] = "lower chunk_tokens, train an adapter (lora_rank) or cut texts shorter"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_below(self, "lora_rank", 0)


def refuse_below(settings: object, name: str, least: int) -> None:
    """Refuse a setting that is a smaller number than it may be; one that is None says nothing.

    Raises:
        ConfigError: it is.
    """
    value = getattr(settings, name)
    if value is not None and value < least:
        limit = f"be at least {least}" if least else "not be negative"
        raise ConfigError(f"{name} is {value}; it must {limit}")
