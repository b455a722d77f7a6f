"""The settings of every training: duration, learning rate, precision and validation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from dpr.config import DEFAULT_BASE
from dpr.errors import ConfigError

LARGEST_RANK = 4096
"""The largest rank of an adapter: a larger one has more numbers than any matrix of the model that it changes."""

SEED_BITS = 63
"""The largest seed that torch takes."""


@dataclass(frozen=True)
class Schedule:
    """Settings of every training: duration, learning rate, precision and validation.

    A run ends after ``epochs`` passes over the data, or after ``max_steps`` steps (0: after the epochs). A step
    averages over ``accumulation_steps`` batches, in chunks of ``chunk_tokens`` padded tokens (0: a size for the
    device). ``dropout`` is 0 by default: within a few epochs it gained nothing, and on a CPU it costs a quarter of the
    time.

    Validation, every ``validate_steps`` steps (0: after every epoch), selects the best weights by ``metric``. The run
    stops after ``patience`` validations in a row without a better one (0: never).
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
    """Metrics of a validation; ``rank`` is the mean rank of the gold passage."""

    lower_is_better: ClassVar[tuple[str, ...]] = ("rank",)

    memory_remedy: ClassVar[str] = "lower chunk_tokens or cut texts shorter"
    """What the error of a step that does not fit in memory recommends."""

    record_key: ClassVar[str] = "training"
    """The key of the settings in the record."""

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulation_steps", "checkpoint_steps"):
            refuse_below(self, name, 1)
        for name in ("max_steps", "chunk_tokens", "validate_steps", "patience"):
            refuse_below(self, name, 0)
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate is {self.learning_rate}; choose a number above 0, such as 5e-5")
        if not 0 <= self.warmup_share < 1 or not 0 <= self.dropout < 1:
            raise ConfigError(
                f"warmup_share is {self.warmup_share} and dropout {self.dropout}; each must be at least 0 and below 1"
            )
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"weight_decay is {self.weight_decay}; choose a number of 0 or more, such as 0.01")
        if not self.max_grad_norm > 0:
            raise ConfigError(f"max_grad_norm is {self.max_grad_norm}; choose a number above 0; inf: do not clip")
        if self.seed.bit_length() > SEED_BITS:
            raise ConfigError(f"seed is {self.seed}; choose a number of fewer digits")
        if self.metric not in self.metrics:
            raise ConfigError(f"unknown metric {self.metric!r}; choose {', '.join(self.metrics)}")

    @property
    def passes(self) -> int:
        """The largest number of passes over the data."""
        return self.epochs

    def as_score(self, metrics: Mapping[str, float]) -> float:
        """Return the metric that selects the best weights; higher is better."""
        return -metrics[self.metric] if self.metric in self.lower_is_better else metrics[self.metric]


@dataclass(frozen=True)
class LoraSchedule(Schedule):
    """A `Schedule` for all weights (``lora_rank`` 0) or for a LoRA adapter of this rank."""

    lora_rank: int = 0
    lora_alpha: int = 64

    memory_remedy: ClassVar[str] = "lower chunk_tokens, train an adapter (lora_rank) or cut texts shorter"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_below(self, "lora_rank", 0)
        refuse_below(self, "lora_alpha", 1)
        if self.lora_rank > LARGEST_RANK:
            raise ConfigError(f"lora_rank is {self.lora_rank}; choose at most {LARGEST_RANK:,}, such as 16")


def refuse_below(settings: object, name: str, least: int) -> None:
    """Refuse a setting below its minimum; None passes.

    Raises:
        ConfigError: the setting is too small.
    """
    value = getattr(settings, name)
    if value is not None and value < least:
        limit = f"be at least {least}" if least else "not be negative"
        raise ConfigError(f"{name} is {value}; it must {limit}")
