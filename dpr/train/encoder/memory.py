"""The memory that a step of an encoder takes, measured before the first step, see `dpr.train.memory`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from dpr.models.tokens import Tokens, length_sorted_batches
from dpr.models.tower import Tower
from dpr.train.chunks import Chunks
from dpr.train.encoder.model import Towers
from dpr.train.memory import StepMemory, measure_saved, weight_bytes


def encoder_memory(
    towers: Towers, batches: Sequence[tuple[Sequence[Tokens], Sequence[Tokens]]], chunk_tokens: int
) -> StepMemory:
    """Return the memory of a step over the largest of some batches: tokens of questions and of passages, or of one."""
    of_batches = [0] * len(batches)
    chunk = 0
    for role, tower in enumerate(towers.both):
        longest = max((tokens for batch in batches for tokens in batch[role]), key=len, default=[])
        if not longest:
            continue
        pad_id = towers.tokenizers[role].pad_token_id
        saved = measure_saved(partial(_encode_rows, tower, longest, pad_id), len(longest), tower)
        for number, batch in enumerate(batches):
            lengths = [len(tokens) for tokens in batch[role]]
            for rows in length_sorted_batches(lengths, chunk_tokens):
                size = saved.of(len(rows) * lengths[rows[0]])
                of_batches[number] += size
                chunk = max(chunk, size)
    return StepMemory(weight_bytes(towers.module()), chunk, max(of_batches, default=0))


def _encode_rows(tower: Tower, tokens: Tokens, pad_id: int, rows: int) -> torch.Tensor:
    [encode] = Chunks(tower, [tokens] * rows, pad_id, rows * len(tokens)).encodes()
    return encode()
