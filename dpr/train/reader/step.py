"""One step of a reader's training: the gradients of a batch of windows, computed in chunks."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch.nn import functional

from dpr.models.tokens import length_sorted_batches
from dpr.reader.extractive.model import Logits, ReaderNetwork
from dpr.reader.extractive.windows import pad_windows
from dpr.train.chunks import CHUNK_TOKENS
from dpr.train.distributed import Processes
from dpr.train.memory import StepMemory, measure_saved, weight_bytes
from dpr.train.reader.features import Feature
from dpr.train.reader.settings import ReaderTraining
from dpr.train.step_result import StepResult, refuse_bad_loss

BUCKET_BATCHES = 50
"""So many batches' windows are drawn at random, and then sorted by length."""

Rows = list[int]
"""A batch: the places of its windows among the features."""


def epoch_rows(lengths: Sequence[int], batch_tokens: int, seed: int, epoch: int) -> list[Rows]:
    """Return an epoch's batches: windows of like length together, in random order, the same for the same seed."""
    shuffle = random.Random(seed * 1000 + epoch)  # noqa: S311 - sampling, not secrets
    rows = list(range(len(lengths)))
    shuffle.shuffle(rows)
    bucket = max(1, int(BUCKET_BATCHES * batch_tokens * len(lengths) / sum(lengths)))
    batches: list[Rows] = []
    for first in range(0, len(rows), bucket):
        chunk = rows[first : first + bucket]
        sorted_batches = length_sorted_batches([lengths[row] for row in chunk], batch_tokens)
        batches += [[chunk[place] for place in batch] for batch in sorted_batches]
    shuffle.shuffle(batches)
    return batches


def span_losses(
    logits: Logits, starts: torch.Tensor, ends: torch.Tensor, has_answer: torch.Tensor, relevance_weight: float
) -> torch.Tensor:
    """Return the loss of each window, (W,).

    It is the mean cross-entropy of start and end, [CLS] being both where there is no answer (Devlin et al. 2019,
    section 4.2), and ``relevance_weight`` times the binary cross-entropy of the relevance head, where there is one.

    Args:
        logits: what the reader says, (W, T).
        starts: the token where the answer starts, (W,) int64.
        ends: the token where it ends, (W,) int64.
        has_answer: 1 for a window that holds the answer, else 0, (W,).
        relevance_weight: how much the relevance head counts.
    """
    cross_entropy = functional.cross_entropy
    start_loss = cross_entropy(logits.starts.float(), starts, reduction="none")
    end_loss = cross_entropy(logits.ends.float(), ends, reduction="none")
    losses = (start_loss + end_loss) / 2
    if logits.relevance is None:
        return losses
    judged = functional.binary_cross_entropy_with_logits(logits.relevance.float(), has_answer, reduction="none")
    return losses + relevance_weight * judged


class ReaderStepper:
    """Computes the gradients of batches of windows, alone or as one of several processes."""

    def __init__(
        self,
        network: ReaderNetwork,
        features: Sequence[Feature],
        pad_id: int,
        training: ReaderTraining,
        precision: torch.dtype,
        processes: Processes,
    ) -> None:
        self._network = network
        self._features = features
        self._pad_id = pad_id
        self._training = training
        self._precision = precision
        self._processes = processes
        self.device = network.device
        self._chunk_tokens = training.chunk_tokens or CHUNK_TOKENS[self.device.type]

    def memory(self) -> StepMemory:
        """Return the memory that a step takes: forward and backward pass go chunk by chunk."""
        longest = max(self._features, key=lambda feature: len(feature.window))
        tokens = len(longest.window)

        def loss_of(rows: int) -> torch.Tensor:
            with self._autocast():
                return self._losses([longest] * rows).sum()

        saved = measure_saved(loss_of, tokens, self._network)
        chunk = saved.of(max(tokens, min(self._chunk_tokens, self._training.batch_tokens)))
        return StepMemory(weight_bytes(self._network), chunk, chunk)

    def backward(self, batches: Sequence[Rows], scaler: torch.amp.GradScaler | None = None) -> StepResult:
        """Add the gradient of the mean loss of all windows of some batches to the weights of this process.

        ``negatives`` of the result is the share of windows without an answer.

        Raises:
            BadLossError: the loss is not finite.
        """
        features = [self._features[row] for batch in batches for row in batch]
        total = torch.zeros(())
        with self._autocast():
            for chunk in self._own_chunks(features):
                loss = self._losses(chunk).sum() / len(features)
                (scaler.scale(loss) if scaler else loss).backward()
                total += loss.detach().cpu()
        mean = float(self._processes.sum(total.to(self.device)))
        asked = [feature.question_id for feature in features]
        refuse_bad_loss(mean, "questions", asked, is_scaled=scaler is not None)
        without = sum(feature.end == 0 for feature in features)
        return StepResult(mean, without / len(features), len(features))

    def _own_chunks(self, features: Sequence[Feature]) -> list[list[Feature]]:
        """Return this process's windows of a batch, of all lengths, in chunks of like length."""
        longest_first = sorted(features, key=lambda feature: -len(feature.window))
        own = longest_first[self._processes.rank :: self._processes.count]
        lengths = [len(feature.window) for feature in own]
        return [[own[place] for place in chunk] for chunk in length_sorted_batches(lengths, self._chunk_tokens)]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self._precision, enabled=self._precision != torch.float32)

    def _losses(self, chunk: Sequence[Feature]) -> torch.Tensor:
        inputs = pad_windows([feature.window for feature in chunk], self._pad_id, self._network.input_names)
        logits = self._network(**{name: torch.from_numpy(array).to(self.device) for name, array in inputs.items()})
        starts = torch.tensor([feature.start for feature in chunk], device=self.device)
        ends = torch.tensor([feature.end for feature in chunk], device=self.device)
        has_answer = torch.tensor([float(feature.start > 0) for feature in chunk], device=self.device)
        return span_losses(logits, starts, ends, has_answer, self._training.relevance_weight)
