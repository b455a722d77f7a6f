"""Estimate the memory of a step over encoders, see `dpr.train.memory`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from dpr.models.text_encoder import TextEncoder
from dpr.models.tokens import Tokens, length_sorted_batches
from dpr.train.chunks import Chunks
from dpr.train.encoder.model import EncoderPair
from dpr.train.memory import StepMemory, measure_saved, weight_bytes


def encoder_memory(
    pair: EncoderPair, batches: Sequence[tuple[Sequence[Tokens], Sequence[Tokens]]], chunk_tokens: int
) -> StepMemory:
    """Return the memory of a step over the largest of some batches of tokenized questions and passages."""
    of_batches = [0] * len(batches)
    chunk = 0
    for role, encoder in enumerate(pair.both):
        longest = max((tokens for batch in batches for tokens in batch[role]), key=len, default=[])
        if not longest:
            continue
        pad_id = pair.tokenizers[role].pad_token_id
        saved = measure_saved(partial(_encode_rows, encoder, longest, pad_id), len(longest), encoder)
        for number, batch in enumerate(batches):
            lengths = [len(tokens) for tokens in batch[role]]
            for rows in length_sorted_batches(lengths, chunk_tokens):
                size = saved.for_tokens(len(rows) * lengths[rows[0]])
                of_batches[number] += size
                chunk = max(chunk, size)
    return StepMemory(weight_bytes(pair.module()), chunk, max(of_batches, default=0))


def _encode_rows(encoder: TextEncoder, tokens: Tokens, pad_id: int, rows: int) -> torch.Tensor:
    [encode] = Chunks(encoder, [tokens] * rows, pad_id, rows * len(tokens)).encodes()
    return encode()
