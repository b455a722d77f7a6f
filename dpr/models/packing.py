"""Texts packed into rows one after the other, each of which sees itself alone: what is computed is hardly padded.

Questions that come together have 13 to 33 tokens, and padded to the longest they take half as much again (decision
0033). It needs a model that takes positions and a mask of pairs of tokens, as BERT does.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from dpr.models.positions import position_padding
from dpr.models.shapes import rounded_up, width_step
from dpr.types import IntArray

ROW_TOKENS = 64
"""Tokens of a row, unless a text is longer: in longer rows, more of what attention computes is masked."""

SHAPE_TOKENS = 64
"""Tokens that are computed in the time that a batch of another shape than the last one costs (decision 0033)."""

MASKED = -1e9
"""What a hidden pair of tokens adds to their attention; bf16 holds it."""

PROBE_LENGTHS = (7, 3, 5)

Shape = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True, slots=True)
class Positions:
    """How a model numbers the tokens of a text.

    Attributes:
        padding: as in RoBERTa, tokens other than this one are numbered from the next number on, and it has its own
            number wherever it stands; None: from 0 on, as in BERT.
    """

    padding: int | None = None

    def of_text(self, input_ids: IntArray) -> IntArray:
        """Return the positions of a text's tokens, (T,)."""
        if self.padding is None:
            return np.arange(len(input_ids))
        is_text = input_ids != self.padding
        positions: IntArray = self.padding + np.cumsum(is_text) * is_text
        return positions


class Packed(NamedTuple):
    """Texts in rows, each (R, W): token ids, the number of each token's text from 1 on, and positions.

    Padding has the number 0, and sees padding alone.

    Attributes:
        origins: where each text stands, (N, 2): its row and its first column.
    """

    input_ids: IntArray
    segments: IntArray
    position_ids: IntArray
    origins: IntArray


class PackedStates(nn.Module):
    """A language model over packed texts."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, segments: torch.Tensor, position_ids: torch.Tensor) -> torch.Tensor:
        """Return the states (R, W, D) of the tokens of packed texts, each (R, W)."""
        sees = segments[:, None, :, None] == segments[:, None, None, :]  # (R, 1, W, W)
        bias = torch.where(sees, 0.0, MASKED)
        states: torch.Tensor = self.model(
            input_ids=input_ids, attention_mask=bias, position_ids=position_ids
        ).last_hidden_state
        return states


class Packer:
    """Packs texts for a model: into rows of the width that takes the least time, by their tokens and padding.

    Args:
        positions: how the model numbers tokens.
        pad_id: the padding token.
        longest: the model's positions, which a row does not exceed; None without a limit.
    """

    def __init__(self, positions: Positions, pad_id: int, longest: int | None) -> None:
        self._positions = positions
        self._pad_id = pad_id
        self._longest = longest
        self._last_shape: Shape = (0, 0)

    def pack(self, input_ids: IntArray, lengths: Sequence[int]) -> Packed:
        """Put texts (N, T) of these lengths, padded on the right, into rows."""
        origins, shape = min(self._in_rows(lengths), key=self._cost)
        self._last_shape = shape
        packed = Packed(np.full(shape, self._pad_id), np.zeros(shape, np.int64), np.zeros(shape, np.int64), origins)
        for text, ((row, start), length) in enumerate(zip(origins.tolist(), lengths, strict=True)):
            cells = row, slice(start, start + length)
            packed.input_ids[cells] = input_ids[text, :length]
            packed.segments[cells] = text + 1
            packed.position_ids[cells] = self._positions.of_text(input_ids[text, :length])
        return packed

    def _in_rows(self, lengths: Sequence[int]) -> Iterator[tuple[IntArray, Shape]]:
        """Yield where each text stands, (N, 2), and the shape of all rows, for rows of each width."""
        step, last_rows, last_width = width_step(), *self._last_shape
        least = rounded_up(max(lengths), step)
        for width in range(least, max(least, ROW_TOKENS) + 1, step):
            width = max(max(lengths), min(width, self._longest or width))
            origins, rows = _first_fit(lengths, width)
            yield origins, (last_rows if width == last_width and last_rows > rows else rounded_up(rows), width)

    def _cost(self, layout: tuple[IntArray, Shape]) -> int:
        """Return how many tokens are computed in the time that these rows take."""
        rows, width = layout[1]
        return rows * width + (SHAPE_TOKENS if layout[1] != self._last_shape else 0)


def _first_fit(lengths: Sequence[int], width: int) -> tuple[IntArray, int]:
    """Put the longest texts first, each into the first row with room for it; return their origins, and the rows."""
    origins: IntArray = np.empty((len(lengths), 2), dtype=np.int64)
    filled: list[int] = []
    for text in sorted(range(len(lengths)), key=lambda text: -lengths[text]):
        row = next((row for row, tokens in enumerate(filled) if tokens + lengths[text] <= width), len(filled))
        if row == len(filled):
            filled.append(0)
        origins[text] = row, filled[row]
        filled[row] += lengths[text]
    return origins, len(filled)


def unpack(states: torch.Tensor, origins: IntArray, width: int) -> torch.Tensor:
    """Return the states of texts, (N, T, D) with T ``width``, of those of rows, (R, W, D); padding has any states."""
    rows, columns = states.shape[:2]
    firsts = torch.from_numpy(origins[:, 0] * columns + origins[:, 1])  # (N,)
    cells = firsts[:, None] + torch.arange(width)
    return states.reshape(rows * columns, -1)[cells.clamp(max=rows * columns - 1)]


def positions_of(model: Any) -> Positions | None:
    """Return how a model numbers the tokens of packed texts; None if these have other states than each alone."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return None
    positions = Positions(position_padding(model))
    try:
        return positions if _is_packable(model, positions) else None
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError):
        return None


def _is_packable(model: Any, positions: Positions) -> bool:
    """Tell whether texts in one row have the states that each has alone."""
    vocabulary = model.get_input_embeddings().num_embeddings
    tokens = (np.arange(sum(PROBE_LENGTHS)) * 7 + 5) % vocabulary
    texts = np.split(tokens, np.cumsum(PROBE_LENGTHS)[:-1])
    segments = np.repeat(np.arange(len(texts)) + 1, PROBE_LENGTHS)
    numbers = np.concatenate([positions.of_text(text) for text in texts])
    with torch.inference_mode():
        row = [torch.from_numpy(array)[None] for array in (tokens, segments, numbers)]
        packed = PackedStates(model)(*row)[0]
        alone = torch.cat([_states_of(model, torch.from_numpy(text)) for text in texts])
    return bool(torch.allclose(packed, alone, atol=1e-3 * float(alone.abs().max())))


def _states_of(model: Any, text: torch.Tensor) -> torch.Tensor:
    states: torch.Tensor = model(input_ids=text[None], attention_mask=torch.ones_like(text)[None]).last_hidden_state
    return states[0]
