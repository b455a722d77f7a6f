"""A question and a passage of any length as windows of tokens, each token with its characters in the passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dpr.models.tokens import clip
from dpr.types import IntArray

SPECIAL_TOKENS = 4
"""At most this many special tokens join a question and a passage (RoBERTa's ``<s> q </s></s> p </s>``)."""


@dataclass(frozen=True, slots=True)
class Window:
    """``[CLS] question [SEP] part of the passage [SEP]``.

    ``spans`` (T, 2) holds each token's start and end characters in the passage, -1 for tokens that are not of it.
    """

    ids: list[int]
    type_ids: list[int]
    spans: IntArray

    def __len__(self) -> int:
        return len(self.ids)


def make_windows(
    tokenizer: Any,
    pairs: Sequence[tuple[str, str]],
    max_tokens: int,
    stride: int,
    question_tokens: int,
) -> list[list[Window]]:
    """Return the windows of each (question, passage): neighbours share ``stride`` tokens of the passage."""
    encoded = tokenizer(
        [clip(tokenizer, question, question_tokens) for question, _ in pairs],
        [text for _, text in pairs],
        truncation="only_second",
        max_length=max_tokens,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    windows: list[list[Window]] = [[] for _ in pairs]
    for number, pair in enumerate(encoded["overflow_to_sample_mapping"]):
        spans = np.array(encoded["offset_mapping"][number], dtype=np.int64).reshape(-1, 2)
        spans[[source != 1 for source in encoded.sequence_ids(number)]] = -1
        windows[pair].append(Window(encoded["input_ids"][number], encoded["token_type_ids"][number], spans))
    return windows


def pad_windows(windows: Sequence[Window], pad_id: int, uses_types: bool) -> dict[str, torch.Tensor]:
    """Return the model's inputs for windows, each (W, longest)."""
    width = max(len(window) for window in windows)
    inputs = {
        "input_ids": torch.tensor([window.ids + [pad_id] * (width - len(window)) for window in windows]),
        "attention_mask": torch.tensor([[1] * len(window) + [0] * (width - len(window)) for window in windows]),
    }
    if uses_types:
        types = [window.type_ids + [0] * (width - len(window)) for window in windows]
        inputs["token_type_ids"] = torch.tensor(types)
    return inputs
