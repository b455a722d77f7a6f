"""Encode tokenized texts: in batches of similar length, in their original order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from dpr.models.encoder_compute import EncoderCompute, Started
from dpr.models.tokens import Tokens, length_sorted_batches, pad
from dpr.types import FloatArray, Progress, no_progress

BATCHES_AHEAD = 2
"""Batches to start on a GPU before waiting for the vectors of the first one."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def embed(
    compute: EncoderCompute, tokens: Sequence[Tokens], pad_id: int, progress: Progress = no_progress
) -> FloatArray:
    """Return the vectors of tokenized texts, (N, D) float32, in their order.

    A text without tokens, such as an empty one for a tokenizer without special tokens, has a vector of zeros, as in
    sentence-transformers. Progress is reported after each batch, as stage ``encode``.
    """
    vectors: FloatArray = np.zeros((len(tokens), compute.dimension), dtype=np.float32)
    completed = sum(not item for item in tokens)
    for rows, outputs in outputs_of_batches(compute, tokens, pad_id):
        vectors[rows] = outputs
        completed += len(rows)
        progress("encode", completed, len(tokens))
    return vectors


def outputs_of_batches(
    compute: EncoderCompute, tokens: Sequence[Tokens], pad_id: int
) -> Iterator[tuple[list[int], FloatArray]]:
    """Yield the positions of the texts of each batch, the longest first, and the model's outputs, (N, …).

    Texts without tokens are left out.
    """
    filled, started = [index for index, item in enumerate(tokens) if item], deque[tuple[list[int], Started]]()
    lengths = [len(tokens[index]) for index in filled]
    for positions in length_sorted_batches(lengths, compute.batch_tokens, compute.is_padded):
        batch = [filled[position] for position in positions]
        started.append((batch, compute.start(pad([tokens[index] for index in batch], pad_id))))
        if len(started) == BATCHES_AHEAD:
            rows, wait = started.popleft()
            yield rows, wait()
    for rows, wait in started:
        yield rows, wait()


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``function`` of each item, in order; a thread computes the next one while the caller uses this one."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
