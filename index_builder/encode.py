"""Encode passages shard by shard, by an `EncodeRunner`; a finished shard is never encoded again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, takewhile
from typing import Protocol

import numpy as np

from dpr.array_files import create_vectors, open_writable_vectors
from dpr.errors import ModelError
from dpr.measured import EncodedPassages, MeasuresPassages
from dpr.store.draft import GenerationDraft
from dpr.store.windows import EncodedTexts
from dpr.types import Encoder, FloatArray, IntArray, Passage, Progress, no_progress

SHARD_PASSAGES = 4096
"""Passages or windows of a shard, which are sorted by length; a killed build encodes at most one again."""


class EncodeRunner(Protocol):
    """Where and how an encoder is run over the passages of an index, or their windows."""

    def __call__(
        self, passages: EncodedTexts, shards: Sequence[IntArray], encoder: Encoder, progress: Progress
    ) -> Iterator[tuple[int, EncodedPassages]]:
        """Yield the number of each shard and the encoded passages of its rows, in any order, as they are finished.

        ``progress`` is called with the stage ``encode`` and the number of encoded passages of all these shards. A stage
        of another name is reported as it is.
        """


def encode(encoder: Encoder, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
    """Return the vectors of passages and, if the encoder measures it, which of them are longer than it reads."""
    if isinstance(encoder, MeasuresPassages):
        return encoder.encode_and_measure(passages, progress)
    return EncodedPassages(encoder.encode_passages(passages, progress), None)


def encode_locally(
    passages: EncodedTexts, shards: Sequence[IntArray], encoder: Encoder, progress: Progress = no_progress
) -> Iterator[tuple[int, EncodedPassages]]:
    """Run the encoder in this process; an ``EncodeRunner``."""
    before, total = 0, sum(map(len, shards))

    def report(_stage: str, count: int, _total: int | None) -> None:
        progress("encode", before + count, total)

    for number, rows in enumerate(shards):
        yield number, encode(encoder, passages.get(rows.tolist()), report)
        before += len(rows)


def write_vectors(
    texts: EncodedTexts,
    encoder: Encoder,
    draft: GenerationDraft,
    run: EncodeRunner = encode_locally,
    progress: Progress = no_progress,
    shard_passages: int = SHARD_PASSAGES,
) -> int:
    """Write the vectors of passages, or of their windows, into a draft's segment; return how many texts were encoded.

    Texts of equal title and content are encoded once. Shards in the draft's journal are not encoded again.

    Raises:
        ModelError: the encoder did not return one finite vector for each passage.
    """
    path, shape = draft.segment.vectors, (len(texts), encoder.dimension)
    alike = texts.first_alike()
    unique = np.flatnonzero(alike == np.arange(len(alike)))
    copies = np.bincount(alike[texts.beginnings()], minlength=len(alike))  # passages that begin with this text
    shards = [unique[start : start + shard_passages] for start in range(0, len(unique), shard_passages)]
    pending = [number for number in range(len(shards)) if _piece(number) not in draft.journal]
    continues = len(pending) < len(shards) and path.is_file()
    vectors = open_writable_vectors(path, *shape) if continues else create_vectors(path, *shape)
    pending = pending if continues else list(range(len(shards)))
    finished = len(unique) - sum(len(shards[number]) for number in pending)

    def report(stage: str, count: int, total: int | None) -> None:
        if stage == "encode":
            progress(stage, finished + count, len(unique))
        else:
            progress(stage, count, total)

    progress("encode", finished, len(unique))
    for position, encoded in run(texts, [shards[number] for number in pending], encoder, report):
        rows = shards[pending[position]]
        _refuse_bad_vectors(encoded.vectors, (len(rows), encoder.dimension), encoder.name)
        vectors[rows] = encoded.vectors
        vectors.flush()
        cut = None if encoded.is_cut is None else int(copies[rows[encoded.is_cut]].sum())
        draft.finish(_piece(pending[position]), cut, path)
    repeats = np.flatnonzero(alike != np.arange(len(alike)))
    for start in range(0, len(repeats), shard_passages):
        rows = repeats[start : start + shard_passages]
        vectors[rows] = vectors[alike[rows]]
    vectors.flush()
    progress("encode", len(unique), len(unique))
    return len(unique)


def cut_passages(draft: GenerationDraft) -> int | None:
    """Return how many passages of a draft's segment are longer than the encoder reads; None if it is not known.

    The journal has the number for each shard, whichever process encoded it.
    """
    shards = takewhile(draft.journal.__contains__, map(_piece, count()))
    cut = [draft.journal[shard] for shard in shards]
    return None if None in cut else sum(cut)


def _piece(shard: int) -> str:
    return f"encode {shard}"


def _refuse_bad_vectors(vectors: FloatArray, shape: tuple[int, int], encoder: str) -> None:
    if vectors.shape != shape:
        raise ModelError(
            f"the encoder {encoder} returned vectors of shape {vectors.shape} instead of {shape}; use another encoder"
        )
    if not np.isfinite(vectors).all():
        raise ModelError(f"the encoder {encoder} returned numbers that are not finite; try --precision fp32")
