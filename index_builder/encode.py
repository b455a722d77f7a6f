"""Passages to vectors, a bounded number at a time, by whatever runs the encoder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from dpr.errors import ModelError
from dpr.store.arrays import create_vectors
from dpr.store.passages import PassageStore
from dpr.types import Encoder, FloatArray, Progress, no_progress

CHUNK_PASSAGES = 8192
"""Passages that an encoder gets at a time: enough to sort by length, few enough to hold in memory."""


class EncodeRunner(Protocol):
    """Where and how an encoder is run over all passages of an index."""

    def __call__(self, passages: PassageStore, encoder: Encoder, vectors: FloatArray, progress: Progress) -> None:
        """Fill ``vectors`` (P, D), row by row the vectors of ``passages``; report the stage ``encode``.

        Raises:
            ModelError: the encoder gave something else than one finite vector for each passage.
        """


def encode_locally(
    passages: PassageStore,
    encoder: Encoder,
    vectors: FloatArray,
    progress: Progress = no_progress,
    chunk_passages: int = CHUNK_PASSAGES,
) -> None:
    """Run the encoder in this process; an ``EncodeRunner``."""
    for start in range(0, len(passages), chunk_passages):
        rows = range(start, min(start + chunk_passages, len(passages)))
        chunk = passages.get(rows)
        encoded = encoder.encode_passages(chunk, partial(_report, progress, start, len(passages)))
        _refuse_bad_vectors(encoded, (len(rows), vectors.shape[1]), encoder.name)
        vectors[rows.start : rows.stop] = encoded
    progress("encode", len(passages), len(passages))


def write_vectors(
    passages: PassageStore, encoder: Encoder, path: Path, run: EncodeRunner, progress: Progress = no_progress
) -> None:
    """Encode all passages into a vectors file.

    Raises:
        ModelError: the encoder gave something else than one finite vector for each passage.
    """
    vectors = create_vectors(path, len(passages), encoder.dimension)
    run(passages, encoder, vectors, progress)
    vectors.flush()


def _report(progress: Progress, start: int, total: int, _stage: str, done: int, _total: int | None) -> None:
    progress("encode", start + done, total)


def _refuse_bad_vectors(vectors: FloatArray, shape: tuple[int, int], encoder: str) -> None:
    if vectors.shape != shape:
        raise ModelError(f"the encoder {encoder} gave vectors of shape {vectors.shape} where {shape} was due")
    if not np.isfinite(vectors).all():
        raise ModelError(f"the encoder {encoder} gave numbers that are not finite; try --precision fp32")
