"""The settings of an adaptation to a language or a domain, with what each is good for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dpr.config import DEFAULT_BASE
from dpr.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Settings of a run.

    Vocabulary: ``vocabulary_size`` is the number of new WordPieces, None for none; ``script`` whose, ``characters`` how
    many of a single character at most, ``min_frequency`` how often one must come. With ``morphemes``, no Hangul piece
    is learned across a morpheme's bounds, which Kiwi finds in the texts: ``사건`` and ``##의``, not ``사건의``.

    Training: ``max_steps`` None is ``epochs`` passes over the texts, 0 no training, another number just so many steps,
    going over the texts as often as it takes. ``batch_tokens`` are padded tokens in one step, ``max_tokens`` those of a
    window, special tokens included; a longer text is cut into several. ``mask_share`` of the tokens are to be guessed,
    in ``whole_words`` or piece by piece. ``dropout`` is off: in few epochs over much text it gains nothing, and on a
    CPU it takes a quarter of the time.

    Every ``evaluate_steps`` (0: at the end alone), the loss on ``held_out_texts`` (0: none) that are not trained on is
    measured.
    """

    base: str = DEFAULT_BASE

    vocabulary_size: int | None = None
    script: str = "hangul"
    morphemes: bool = True
    characters: int = 2500
    min_frequency: int = 3

    epochs: int = 1
    max_steps: int | None = None
    batch_tokens: int = 4096
    max_tokens: int = 128
    mask_share: float = 0.15
    whole_words: bool = True

    learning_rate: float = 2e-4
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    dropout: float = 0.0

    held_out_texts: int = 200
    evaluate_steps: int = 200
    precision: str = "auto"
    checkpoint_steps: int = 200
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "characters", "min_frequency", "epochs", "batch_tokens", "checkpoint_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        for name in ("max_steps", "held_out_texts", "evaluate_steps", "seed"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigError(f"{name} is {value}; it must not be negative")
        if self.max_tokens < 8:
            raise ConfigError(f"max_tokens is {self.max_tokens}; a window needs at least 8")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate is {self.learning_rate}; choose a number above 0, such as 2e-4")
        if not 0 < self.mask_share < 1:
            raise ConfigError(f"mask_share is {self.mask_share}; choose a share between 0 and 1, such as 0.15")
        if not 0 <= self.warmup_share < 1 or not 0 <= self.dropout < 1:
            raise ConfigError("warmup_share and dropout are shares, from 0 up to but not including 1")
        if self.max_steps == 0 and self.vocabulary_size is None:
            raise ConfigError("max_steps is 0 and no vocabulary_size is given, which leaves nothing to do; give one")
