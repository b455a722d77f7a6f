"""The step of a reader: chunks of windows, and the losses of their spans."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import torch
from torch.nn import functional

from dpr.reader.extractive.model import Logits, ReaderNetwork
from dpr.reader.extractive.windows import pad_windows
from dpr.train.batches import batches_of_like_length, by_length
from dpr.train.distributed import Processes
from dpr.train.memory import StepMemory, chunk_memory
from dpr.train.reader.features import Feature
from dpr.train.reader.settings import ReaderTraining
from dpr.train.step import CHUNK_TOKENS, Task

Rows = list[int]
"""A batch: the indices of its features."""


def span_losses(
    logits: Logits, starts: torch.Tensor, ends: torch.Tensor, has_answer: torch.Tensor, relevance_weight: float
) -> torch.Tensor:
    """Return the loss of each window, (W,).

    It is the mean cross-entropy of start and end, both [CLS] without an answer (Devlin et al. 2019, section 4.2), plus
    ``relevance_weight`` times the binary cross-entropy of the relevance head, if there is one.

    Args:
        logits: logits of the reader, (W, T).
        starts: the first token of the answer, (W,) int64.
        ends: the last token of the answer, (W,) int64.
        has_answer: 1 for a window with the answer, else 0, (W,).
        relevance_weight: weight of the relevance head.
    """
    cross_entropy = functional.cross_entropy
    start_loss = cross_entropy(logits.starts.float(), starts, reduction="none")
    end_loss = cross_entropy(logits.ends.float(), ends, reduction="none")
    losses = (start_loss + end_loss) / 2
    if logits.relevance is None:
        return losses
    judged = functional.binary_cross_entropy_with_logits(logits.relevance.float(), has_answer, reduction="none")
    return losses + relevance_weight * judged


class ReaderObjective:
    """Find the start and the end of the answer in each window."""

    def __init__(
        self,
        network: ReaderNetwork,
        features: Sequence[Feature],
        pad_id: int,
        training: ReaderTraining,
        processes: Processes,
    ) -> None:
        self._network = network
        self._features = features
        self._pad_id = pad_id
        self._training = training
        self._processes = processes
        self._chunk_tokens = training.chunk_tokens or CHUNK_TOKENS[network.device.type]

    def batches(self, epoch: int) -> list[Rows]:
        """Return an epoch's batches of windows of similar length."""
        shuffle = random.Random(self._training.seed * 1000 + epoch)  # noqa: S311 - sampling, not secrets
        rows = list(range(len(self._features)))
        shuffle.shuffle(rows)
        lengths = [_tokens(feature) for feature in self._features]
        return batches_of_like_length(rows, lengths, self._training.batch_tokens, shuffle)

    def memory(self) -> StepMemory:
        """Return the memory that a step takes."""
        longest = max(self._features, key=_tokens)
        chunk_tokens = min(self._chunk_tokens, self._training.batch_tokens)
        return chunk_memory(lambda rows: self._losses([longest] * rows), _tokens(longest), self._network, chunk_tokens)

    def tasks(self, batches: Sequence[Rows]) -> list[Task]:
        """Return one task, so that a step averages over the windows of all batches.

        ``negatives`` is the share of windows without an answer.
        """
        features = [self._features[row] for batch in batches for row in batch]
        local_features = features[self._processes.rank :: self._processes.count]
        chunks = [partial(self._losses, chunk) for chunk in by_length(local_features, _tokens, self._chunk_tokens)]
        without_answer = sum(feature.end == 0 for feature in features)
        ids = [feature.question_id for feature in features]
        return [Task([chunks], ids, negatives=without_answer / len(features))]

    def _losses(self, chunk: Sequence[Feature]) -> torch.Tensor:
        """Return the losses of a chunk's windows, (W,)."""
        device = self._network.device
        inputs = pad_windows([feature.window for feature in chunk], self._pad_id, self._network.input_names)
        logits = self._network(**{name: torch.from_numpy(array).to(device) for name, array in inputs.items()})
        starts = torch.tensor([feature.start for feature in chunk], device=device)
        ends = torch.tensor([feature.end for feature in chunk], device=device)
        has_answer = torch.tensor([float(feature.start > 0) for feature in chunk], device=device)
        return span_losses(logits, starts, ends, has_answer, self._training.relevance_weight)


def _tokens(feature: Feature) -> int:
    return len(feature.window)
