"""A corpus as token ids in one flat array, cut into windows for a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from dpr.errors import DataError
from dpr.types import Int32Array, IntArray, Progress, no_progress

_TEXTS_AT_ONCE = 1000
_FEWEST_KNOWN = 2
"""The least number of known tokens of a window: a single masked token has no context."""


@dataclass(frozen=True, slots=True)
class TokenWindows:
    """N windows over T tokens: ``tokens`` (T,), ``starts`` (N + 1,), and the number of each window's text (N,)."""

    tokens: Int32Array
    starts: IntArray
    texts: IntArray

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, window: int) -> IntArray:
        """Return a window's ids, without special tokens."""
        return self.tokens[self.starts[window] : self.starts[window + 1]].astype(np.int64)

    @property
    def lengths(self) -> IntArray:
        """Tokens of each window, (N,)."""
        return np.diff(self.starts)


def read_windows(
    tokenizer: Any, texts: Iterable[str], max_tokens: int, progress: Progress = no_progress
) -> TokenWindows:
    """Tokenize texts and cut each into windows of similar length, at most ``max_tokens`` without special tokens.

    Windows of fewer than two known tokens are dropped. The result takes four bytes for each token.

    Raises:
        DataError: there is no window.
    """
    windows: list[Int32Array] = []
    text_of: list[int] = []
    number = 0
    iterator = iter(texts)
    while batch := list(islice(iterator, _TEXTS_AT_ONCE)):
        for ids in tokenizer(batch, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]:
            count = max(1, -(-len(ids) // max_tokens))  # of similar length, because a short last window teaches little
            text_windows = [
                window
                for window in np.array_split(np.array(ids, dtype=np.int32), count)
                if np.isin(window, tokenizer.all_special_ids, invert=True).sum() >= _FEWEST_KNOWN
            ]
            windows += text_windows
            text_of += [number] * len(text_windows)
            number += 1
        progress("tokenize", number, None)
    if not windows:
        raise DataError(f"none of the {number:,} texts has two tokens that the base knows; learn a vocabulary, too")
    starts = np.cumsum([0, *map(len, windows)], dtype=np.int64)
    return TokenWindows(np.concatenate(windows), starts, np.array(text_of, dtype=np.int64))
