"""WordPieces that swap places in a batch, so that the towers compare words instead of remembering them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from dpr.models.tokens import Tokens
from dpr.train.batches import Batch
from dpr.types import IntArray

COMMON = 0.1
"""The share of a batch's passages above which a piece is common (a particle, an ending) and keeps its place."""


def swap_table(batch: Batch, passages: Sequence[Tokens], added: range) -> IntArray:
    """Return the piece that stands for each piece throughout a batch, (V,) int64.

    Of the ``added`` pieces that are not common, a share swap places; the share is drawn from 0 to 1. The table is a
    pure function of the batch, the same in every process and after a resume.

    Args:
        batch: the whole batch, not one process's part.
        passages: the tokens of its passages.
        added: the pieces that a base's vocabulary was extended by, at its end.
    """
    drawn = np.random.default_rng(_number(batch))
    frequencies = np.zeros(added.stop, dtype=np.int64)
    for tokens in passages:
        frequencies[np.unique(tokens)] += 1
    rare = np.flatnonzero(frequencies <= max(1.0, COMMON * len(passages)))
    rare = rare[rare >= added.start]
    swapped = rare[drawn.random(len(rare)) < drawn.random()]
    table = np.arange(added.stop)
    table[swapped] = drawn.permutation(swapped)
    return table


def _number(batch: Batch) -> int:
    """Return a number that tells a batch from others."""
    names = "\n".join([*(one.question.id for one in batch.questions), *(passage.id for passage in batch.passages)])
    return int.from_bytes(blake2b(names.encode(), digest_size=8).digest(), "big")
