"""The settings of an adaptation to a language or a domain."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from dpr.errors import ConfigError
from dpr.train.schedule import Schedule, refuse_below


@dataclass(frozen=True)
class Adaptation(Schedule):
    """Settings of an adaptation, in addition to those of `Schedule`.

    Vocabulary: ``vocabulary_size`` is the number of new WordPieces (None: no new ones) of a ``script``, at most
    ``characters`` of them single characters; each occurs at least ``min_frequency`` times. With ``morphemes``, no
    Hangul piece crosses the bounds of morphemes, which Kiwi finds in the texts: ``사건`` and ``##의``, not ``사건의``.

    Training: ``max_steps`` None trains for ``epochs`` passes over the texts, 0 not at all, another number for that many
    steps in as many passes as they take. A batch has ``batch_tokens`` padded tokens in all processes, a window
    ``max_tokens`` with its special tokens; longer texts are cut into several windows. ``mask_share`` of the tokens are
    masked, as ``whole_words`` or piece by piece.

    Validation measures the loss on ``held_out_texts`` (0: none), which are not used for training.
    """

    vocabulary_size: int | None = None
    script: str = "hangul"
    morphemes: bool = True
    characters: int = 2500
    min_frequency: int = 3

    max_steps: int | None = None
    batch_tokens: int = 4096
    max_tokens: int = 128
    mask_share: float = 0.15
    whole_words: bool = True

    learning_rate: float = 2e-4
    warmup_share: float = 0.06

    held_out_texts: int = 200
    validate_steps: int = 200
    metric: str = "held_out_loss"
    checkpoint_steps: int = 200

    metrics: ClassVar[tuple[str, ...]] = ("held_out_loss", "held_out_accuracy")
    lower_is_better: ClassVar[tuple[str, ...]] = ("held_out_loss",)
    memory_remedy: ClassVar[str] = "lower chunk_tokens or max_tokens"
    renamed: ClassVar[Mapping[str, str]] = {"evaluate_steps": "validate_steps"}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("vocabulary_size", "characters", "min_frequency", "batch_tokens"):
            refuse_below(self, name, 1)
        for name in ("held_out_texts", "seed"):
            refuse_below(self, name, 0)
        if self.max_tokens < 8:
            raise ConfigError(f"max_tokens is {self.max_tokens}; a window needs at least 8")
        if not 0 < self.mask_share < 1:
            raise ConfigError(f"mask_share is {self.mask_share}; choose a share between 0 and 1, such as 0.15")
        if self.max_steps == 0 and self.vocabulary_size is None:
            raise ConfigError("max_steps is 0 and vocabulary_size is not set, so nothing would change; set one of them")

    @property
    def passes(self) -> int:
        """The largest number of passes over the data; no limit if ``max_steps`` is set."""
        return sys.maxsize if self.max_steps else self.epochs
