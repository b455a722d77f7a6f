"""Token ids to a matrix of vectors: sorted by length, batched by token budget, order restored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dpr.models.tokens import Tokens, length_sorted_batches, pad
from dpr.models.tower import Tower
from dpr.types import FloatArray, Progress, no_progress

BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Padded tokens in a batch: on a CPU, small enough that activations stay in its caches."""


def embed(
    tower: Tower,
    tokens: Sequence[Tokens],
    pad_id: int,
    precision: torch.dtype,
    progress: Progress = no_progress,
) -> FloatArray:
    """Return the vectors of tokenized texts, (N, D) float32, in the order given.

    ``progress`` is told the number of texts done after each batch, as stage ``encode``.
    """
    device = next(tower.parameters()).device
    if not tokens:
        return np.empty((0, tower.dimension), dtype=np.float32)
    rows: list[int] = []
    vectors: list[FloatArray] = []
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
        for batch in length_sorted_batches([len(item) for item in tokens], BATCH_TOKENS[device.type]):
            inputs = pad([tokens[index] for index in batch], pad_id)
            output = tower(**{name: tensor.to(device) for name, tensor in inputs.items()})
            vectors.append(output.float().cpu().numpy())
            rows.extend(batch)
            progress("encode", len(rows), len(tokens))
    matrix = np.concatenate(vectors)
    ordered = np.empty_like(matrix)
    ordered[rows] = matrix
    return ordered
