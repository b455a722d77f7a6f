"""A text encoder: a BERT, or another language model, whose token states are pooled into a vector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from dpr.errors import ConfigError
from dpr.models.head import Features, Head, head_dimension
from dpr.models.pooling import POOLINGS, pool, pooling_modes


def hidden_dimension(model: Any) -> int:
    """Return the width of a model's token states, D; that of the projection in an original DPR checkpoint."""
    config = model.config.get_text_config()
    return int(getattr(config, "projection_dim", 0) or config.hidden_size)


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Settings of an encoder: prompts, pooling, and how many tokens of a text it reads.

    A prompt precedes every question, or passage. Lengths include special tokens and the prompt; a model with fewer
    positions reads less, see ``dpr.models.encoders.fit_lengths``. ``pooling`` may be several modes joined by ``+``.
    Vectors are cut to their first ``dimension`` numbers; None keeps all.
    """

    pooling: str = "mean"
    normalize: bool = True
    question_tokens: int = 512
    passage_tokens: int = 256
    question_prompt: str = ""
    passage_prompt: str = ""
    dimension: int | None = None

    def __post_init__(self) -> None:
        if unknown := [mode for mode in pooling_modes(self.pooling) if mode not in POOLINGS]:
            raise ConfigError(f"unknown pooling {unknown[0]!r}; choose {', '.join(POOLINGS)}, or several joined by +")
        if min(self.question_tokens, self.passage_tokens) < 8:
            raise ConfigError(
                f"question_tokens is {self.question_tokens} and passage_tokens {self.passage_tokens}; "
                "both must be at least 8"
            )
        if self.dimension is not None and self.dimension < 1:
            raise ConfigError(f"dimension is {self.dimension}; it must be at least 1")


class TextNetwork(nn.Module):
    """A language model with what is made of its outputs, ready to be run by torch or OpenVINO.

    Attributes:
        model: the language model.
    """

    model: Any

    @property
    def dimension(self) -> int:
        """How many numbers it gives for a text, or for each token."""
        raise NotImplementedError


class TextEncoder(TextNetwork):
    """A language model with its pooling and its head."""

    def __init__(self, model: Any, config: EncoderConfig, head: Head = ()) -> None:
        """Combine a model with its pooling and its head.

        Raises:
            ModelError: a module of the head expects vectors of another length.
            ConfigError: ``config.dimension`` exceeds the length of the vectors.
        """
        super().__init__()
        self.model = model
        self.head = nn.Sequential(*head)
        self.config = config
        width = self.full_dimension
        if config.dimension is not None and config.dimension > width:
            raise ConfigError(
                f"dimension is {config.dimension}, but the encoder's vectors have {width} numbers; "
                f"choose at most {width}"
            )
        if config.dimension == width:
            self.config = replace(config, dimension=None)

    @property
    def full_dimension(self) -> int:
        """Length of a vector before it is cut."""
        pooled = hidden_dimension(self.model) * len(pooling_modes(self.config.pooling))
        return head_dimension(pooled, tuple(self.head))

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.config.dimension or self.full_dimension

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return vectors (N, D) of token ids (N, T)."""
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.vectors(states, input_ids, attention_mask)

    def vectors(self, states: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return vectors (N, D) of token states (N, T, D)."""
        features: Features = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_embeddings": states,
            "sentence_embedding": pool(self.config.pooling, states, attention_mask),
        }
        vectors: torch.Tensor = self.head(features)["sentence_embedding"][:, : self.config.dimension]
        return nn.functional.normalize(vectors, dim=-1) if self.config.normalize else vectors
