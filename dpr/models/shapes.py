"""Pad batches to few shapes, for a runtime that compiles and stores a program for each shape.

Texts of all lengths make batches of thousands of shapes, and OpenVINO's memory grows by up to a megabyte for each new
one. Padding to a few hundred shapes bounds that memory.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dpr.types import IntArray

_LEADING_BITS = 4
_WIDTH_STEP = 8


def rounded_up(count: int, least_step: int = 1) -> int:
    """Return the next number with at most four leading binary digits, at most an eighth more than ``count``.

    The result is a multiple of ``least_step``, a power of two.
    """
    step = max(least_step, 1 << max(0, count.bit_length() - _LEADING_BITS))
    return -(-count // step) * step


def pad_to_few_shapes(inputs: Mapping[str, IntArray], pad_id: int, longest: int | None = None) -> dict[str, IntArray]:
    """Return a model's inputs (N, T) with additional rows and columns, in one of few shapes (N', T').

    The columns are padding that the attention mask hides. The rows are copies of the first one, because some attentions
    give NaN for a row of padding.

    Args:
        inputs: token arrays by name; ``input_ids`` are padded with ``pad_id``, all others with 0.
        pad_id: the padding token.
        longest: the number of the model's positions, which T' does not exceed; None without a limit.
    """
    rows, width = next(iter(inputs.values())).shape
    all_rows, all_columns = rounded_up(rows), rounded_up(width, _WIDTH_STEP)
    if longest is not None:
        all_columns = max(width, min(all_columns, longest))
    padded = {}
    for name, array in inputs.items():
        filler = pad_id if name == "input_ids" else 0
        wide = np.pad(array, ((0, 0), (0, all_columns - width)), constant_values=filler)
        padded[name] = np.concatenate([wide, wide[:1].repeat(all_rows - rows, axis=0)])
    return padded


def pad_token_of(config: object) -> int:
    """Return the padding token of a model's configuration, else 0; the attention mask hides it in any case."""
    pad_id = getattr(config, "pad_token_id", None)
    return pad_id if isinstance(pad_id, int) and pad_id >= 0 else 0
