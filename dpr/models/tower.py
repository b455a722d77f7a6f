"""One tower: a BERT whose token states are pooled into a vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dpr.errors import ConfigError
from dpr.models.lexical_sketch import LexicalSketch


def mean_pooling(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of the token states that are not padding: (N, T, D), (N, T) -> (N, D)."""
    weights = mask.unsqueeze(-1).to(states.dtype)  # (N, T, 1)
    return (states * weights).sum(1) / weights.sum(1)


def cls_pooling(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the state of the first token: (N, T, D), (N, T) -> (N, D)."""
    del mask
    return states[:, 0]


POOLINGS = {"mean": mean_pooling, "cls": cls_pooling}


def hidden_dimension(model: Any) -> int:
    """Return the width of a model's token states, D; of an original DPR checkpoint, that of its projection."""
    return int(getattr(model.config, "projection_dim", 0) or model.config.hidden_size)


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """How token states become a vector, and how much of a text is seen; lengths count special tokens.

    A model whose positions hold less sees less, see ``dpr.models.encoders.fit_lengths``.
    """

    pooling: str = "mean"
    normalize: bool = True
    question_tokens: int = 512
    passage_tokens: int = 256

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ConfigError(f"unknown pooling {self.pooling!r}; choose {' or '.join(POOLINGS)}")
        if min(self.question_tokens, self.passage_tokens) < 8:
            raise ConfigError("question_tokens and passage_tokens must be at least 8")


@dataclass(frozen=True, slots=True)
class Head:
    """What a tower does after its pooling: append a sketch of the text's words, then apply a linear map; or neither."""

    sketch: LexicalSketch | None = None
    projection: nn.Linear | None = None


class Tower(nn.Module):
    """One BERT with its pooling and its head."""

    def __init__(self, model: Any, config: EncoderConfig, head: Head = Head()) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.sketch = head.sketch
        self.projection = head.projection
        self.dimension = hidden_dimension(model) + (head.sketch.dimension if head.sketch else 0)
        if head.projection:
            self.dimension = head.projection.out_features

    def append_sketch(self, sketch: LexicalSketch) -> None:
        """Let vectors have a sketch of the text's words from now on."""
        self.sketch = sketch
        self.dimension += sketch.dimension

    @property
    def head(self) -> Head:
        """What comes after the pooling."""
        return Head(self.sketch, self.projection)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return vectors (N, D) of token ids (N, T)."""
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (N, T, D)
        pooled = POOLINGS[self.config.pooling](states, attention_mask).float()
        if self.sketch is not None:
            features = {"input_ids": input_ids, "attention_mask": attention_mask, "token_embeddings": states}
            pooled = self.sketch({**features, "sentence_embedding": pooled})["sentence_embedding"]
        if self.projection is not None:
            with torch.autocast(pooled.device.type, enabled=False):
                pooled = self.projection(pooled)
        return nn.functional.normalize(pooled, dim=-1) if self.config.normalize else pooled
