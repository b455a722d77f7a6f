"""The settings of a training of encoders."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from dpr.errors import ConfigError
from dpr.train.batches import Batching
from dpr.train.schedule import LoraSchedule, refuse_below


@dataclass(frozen=True)
class EncoderSchedule(LoraSchedule):
    """Settings of a training of encoders; lengths include special tokens, None means the base's own value.

    A prompt precedes every question, or passage, and is saved with the encoder.

    Batches: a batch has ``batch_size`` questions, at most ``questions_per_passage`` of them with the same passage, and
    up to ``hard_negatives`` hard negatives for each question. Passages of one document are hard negatives of each
    other: ``document_passages`` of them are in a batch together. ``separate_sources`` fills each batch from one data
    set, whose negatives are harder, too. ``gradient_cache`` encodes each chunk twice, so that only one is in memory;
    None decides by the free memory (`dpr.train.memory`). A step averages ``accumulation_steps`` batches, which adds no
    negatives.

    Loss: ``temperature`` None is 0.05 for normalized vectors and 1 for raw inner products.

    Weights: ``shared`` trains one BERT for questions and passages.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_size", "questions_per_passage", "document_passages"):
            refuse_below(self, name, 1)
        refuse_below(self, "hard_negatives", 0)
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}; choose a number above 0, such as 0.05")

    def batching(self) -> Batching:
        """Return the settings of batches."""
        return Batching(**{field.name: getattr(self, field.name) for field in fields(Batching)})


@dataclass(frozen=True)
class Training(EncoderSchedule):
    """Settings of a training with labels, in addition to those of `EncoderSchedule`.

    ``learn_temperature`` trains the temperature. ``symmetric`` adds the loss from passage to question. ``compile``
    compiles the encoders.
    """

    learn_temperature: bool = False
    symmetric: bool = False

    compile: bool = False
