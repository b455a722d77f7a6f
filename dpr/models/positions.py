"""The longest input of a model: one rule for encoders, readers, cross-encoders and adaptation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn


def longest_input(model: Any) -> int | None:
    """Return the number of tokens that a model has positions for, with special tokens; None without a limit.

    RoBERTa and similar models number positions from ``padding_idx + 1`` on: 514 positions are enough for 512 tokens.
    """
    for padding, positions in _numbered_from_padding(model):
        return positions.num_embeddings - padding - 1
    count = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(count) if count is not None and count > 0 else None  # -1 in XLNet


def position_padding(model: Any) -> int | None:
    """Return the token that a model does not count when it numbers tokens, as RoBERTa does; None: it counts all."""
    return next((padding for padding, _ in _numbered_from_padding(model)), None)


def _numbered_from_padding(model: Any) -> Iterator[tuple[int, nn.Embedding]]:
    for module in model.modules():
        padding, positions = getattr(module, "padding_idx", None), getattr(module, "position_embeddings", None)
        if isinstance(padding, int) and isinstance(positions, nn.Embedding):
            yield padding, positions
