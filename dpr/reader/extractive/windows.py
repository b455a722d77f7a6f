"""Cut a question and a passage of any length into windows of tokens with their offsets in the passage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dpr.models.tokens import clip
from dpr.text.normalize import FoldedText
from dpr.types import IntArray

SPECIAL_TOKENS = 4
"""The largest number of special tokens around a question and a passage (RoBERTa: ``<s> q </s></s> p </s>``)."""


class WindowSize(NamedTuple):
    """The tokens of a window, those that neighbours share, and those of the question."""

    max_tokens: int
    stride: int
    question_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """``[CLS] question [SEP] a piece of the passage [SEP]``.

    ``ids`` and ``type_ids`` are (T,). ``spans`` (T, 2) are the start and end characters of each token in the passage,
    -1 for other tokens. ``pair`` is the number of the question and passage among those that are read together.
    """

    ids: IntArray
    type_ids: IntArray
    spans: IntArray
    pair: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def make_windows(
    tokenizer: Any,
    pairs: Sequence[tuple[str, str]],
    max_tokens: int,
    stride: int,
    question_tokens: int,
) -> list[list[Window]]:
    """Return the windows of each (question, passage); neighbours share ``stride`` tokens of the passage.

    Questions and passages are tokenized in their plain form (`FoldedText`); spans refer to the stored passage.
    """
    clipped = {question: clip(tokenizer, question, question_tokens) for question in {pair[0] for pair in pairs}}
    passages = [FoldedText.from_text(text) for _, text in pairs]
    encoded = tokenizer(
        [clipped[question] for question, _ in pairs],
        [passage.text for passage in passages],
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
        spans = passages[pair].original_spans(spans)
        spans[[source != 1 for source in encoded.sequence_ids(number)]] = -1
        ids, types = (np.array(encoded[name][number], dtype=np.int64) for name in ("input_ids", "token_type_ids"))
        windows[pair].append(Window(ids, types, spans, pair))
    return windows


def pad_windows(windows: Sequence[Window], pad_id: int, names: Collection[str]) -> dict[str, IntArray]:
    """Return the inputs of a network with these names, each (W, longest)."""
    inputs = {
        "input_ids": ([window.ids for window in windows], pad_id),
        "attention_mask": ([np.ones(len(window), dtype=np.int64) for window in windows], 0),
        "token_type_ids": ([window.type_ids for window in windows], 0),
    }
    return {name: _padded(*inputs[name]) for name in names}


def pad_spans(windows: Sequence[Window]) -> IntArray:
    """Return the characters of the tokens of windows, (W, longest, 2), padded with -1."""
    return _padded([window.spans for window in windows], -1)


def _padded(rows: Sequence[IntArray], filler: int) -> IntArray:
    width = max(len(row) for row in rows)
    padded = np.full((len(rows), width, *rows[0].shape[1:]), filler, dtype=np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded
