"""Pad batches to few shapes, for a runtime that compiles and stores a program for each shape.

Texts of all lengths make batches of thousands of shapes, and OpenVINO's memory grows by up to a megabyte for each new
one. Padding to a few hundred shapes bounds that memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch

from dpr.types import IntArray

TILE = 16
"""Rows of the tiles that AMX multiplies: 24 columns take as long as 32, and 40 as long as 48 (decision 0033)."""

_LEADING_BITS = 4
_WIDTH_STEP = 8


@cache
def width_step() -> int:
    """Return what padded widths are multiples of on this CPU: fewer shapes, where wider ones cost nothing."""
    return TILE if torch.cpu.get_capabilities().get("amx_bf16") else _WIDTH_STEP


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
    all_rows, all_columns = rounded_up(rows), rounded_up(width, width_step())
    if longest is not None:
        all_columns = max(width, min(all_columns, longest))
    return {
        name: np.concatenate([wide, wide[:1].repeat(all_rows - rows, axis=0)])
        for name, wide in widened(inputs, pad_id, all_columns).items()
    }


def widened(inputs: Mapping[str, IntArray], pad_id: int, columns: int) -> dict[str, IntArray]:
    """Return a model's inputs (N, T) padded on the right to ``columns``, which are hidden by the attention mask."""
    wide = {}
    for name, array in inputs.items():
        rows, width = array.shape
        wide[name] = np.full((rows, columns), pad_id if name == "input_ids" else 0, dtype=array.dtype)
        wide[name][:, :width] = array
    return wide


def pad_token_of(config: object) -> int:
    """Return the padding token of a model's configuration, else 0; the attention mask hides it in any case."""
    pad_id = getattr(config, "pad_token_id", None)
    return pad_id if isinstance(pad_id, int) and pad_id >= 0 else 0
