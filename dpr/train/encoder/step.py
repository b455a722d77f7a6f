"""One training step: encode a batch, compute the loss over the global batch, leave the gradients in the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from dpr.train.batches import Batch, part_of
from dpr.train.chunks import CHUNK_TOKENS, Chunks, TokenCache
from dpr.train.distributed import Processes
from dpr.train.encoder.memory import encoder_memory
from dpr.train.encoder.model import Towers
from dpr.train.encoder.settings import Training
from dpr.train.gradcache import cached_backward, plain_backward
from dpr.train.loss import in_batch_loss, same_passage_mask
from dpr.train.memory import StepMemory
from dpr.train.step_result import StepResult, refuse_bad_loss

NO_GOLD = -1
MAX_SCALE = 100.0
"""The largest learned 1/τ, as in CLIP (Radford et al. 2021, section 2.5)."""


def default_temperature(normalize: bool) -> float:
    """Return the temperature for scores that are cosines, or inner products of raw vectors."""
    return 0.05 if normalize else 1.0


class Temperature(nn.Module):
    """1/τ, fixed or learned as its logarithm."""

    def __init__(self, training: Training, normalize: bool) -> None:
        super().__init__()
        temperature = training.temperature or default_temperature(normalize)
        start = torch.tensor(-math.log(temperature))
        self.log_scale = nn.Parameter(start, requires_grad=training.learn_temperature)

    def forward(self) -> torch.Tensor:
        """Return 1/τ, a number."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)


class Stepper:
    """Computes the gradients of batches, alone or as one of several processes."""

    def __init__(
        self,
        towers: Towers,
        temperature: Temperature,
        tokens: TokenCache,
        training: Training,
        precision: torch.dtype,
        processes: Processes,
    ) -> None:
        self._towers = towers
        self._temperature = temperature
        self._tokens = tokens
        self._training = training
        self._precision = precision
        self._processes = processes
        self.device = next(towers.question.parameters()).device
        self.gradient_cache = bool(training.gradient_cache)
        self._chunk_tokens = training.chunk_tokens or CHUNK_TOKENS[self.device.type]

    def memory(self, batches: Sequence[Batch]) -> StepMemory:
        """Return the memory that a step takes for the largest of some batches; this process encodes a part of each."""
        parts = [part_of(batch, self._processes.rank, self._processes.count) for batch in batches]
        texts = [(self._tokens.questions(part), self._tokens.passages(part)) for part in parts]
        return encoder_memory(self._towers, texts, self._chunk_tokens, self._autocast)

    def backward(self, batches: Sequence[Batch], scaler: torch.amp.GradScaler | None = None) -> StepResult:
        """Add the gradient of the mean loss of some batches to the weights of this process.

        Raises:
            BadLossError: the loss is not finite; the message names the batch's questions.
        """
        results = [self._one(batch, 1 / len(batches), scaler) for batch in batches]
        return StepResult(
            loss=sum(result.loss for result in results) / len(results),
            negatives=sum(result.negatives for result in results) / len(results),
            questions=sum(result.questions for result in results),
        )

    def _one(self, whole: Batch, share: float, scaler: torch.amp.GradScaler | None) -> StepResult:
        batch = part_of(whole, self._processes.rank, self._processes.count)
        questions = self._chunks(0, self._tokens.questions(batch))
        passages = self._chunks(1, self._tokens.passages(batch))
        targets = targets_of(batch, self._processes, self.device)
        factor = share / len(whole.questions) * (scaler.get_scale() if scaler else 1.0)

        def loss_of(vectors: Sequence[torch.Tensor]) -> torch.Tensor:
            losses = self._loss(questions.restored(vectors[0]), passages.restored(vectors[1]), targets)
            return losses.sum() * factor

        chunks = [questions.encodes(self._autocast()), passages.encodes(self._autocast())]
        if self.gradient_cache:
            scaled = cached_backward(chunks, loss_of)
        else:
            with self._autocast():  # weights are cast once for all chunks
                scaled = plain_backward(chunks, loss_of)
        loss = float(self._processes.sum(scaled)) / factor / len(whole.questions)
        ids = [example.question.id for example in whole.questions]
        refuse_bad_loss(loss, "questions", ids, is_scaled=scaler is not None)
        counted = (~targets.excluded).sum(1).float().mean() - 1
        return StepResult(loss, float(counted), len(whole.questions))

    def _chunks(self, role: int, tokens: list[list[int]]) -> Chunks:
        pad_id = self._towers.tokenizers[role].pad_token_id
        return Chunks(self._towers.both[role], tokens, pad_id, self._chunk_tokens)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self._precision, enabled=self._precision != torch.float32)

    def _loss(self, questions: torch.Tensor, passages: torch.Tensor, targets: Targets) -> torch.Tensor:
        with torch.autocast(self.device.type, enabled=False):
            everywhere = self._processes.gather(passages)
            scale, symmetric = self._temperature(), self._training.symmetric
            return in_batch_loss(questions, everywhere, targets.positives, targets.excluded, scale, symmetric)


@dataclass(frozen=True, slots=True)
class Targets:
    """Each question's column among all passages, (Q,), and the columns that do not count for it, (Q, P)."""

    positives: torch.Tensor
    excluded: torch.Tensor


def targets_of(batch: Batch, processes: Processes, device: torch.device) -> Targets:
    """Say what is right and what does not count, over the passages of all processes."""
    local_ids = torch.tensor(batch.passage_ids, dtype=torch.int64, device=device)
    passage_ids = processes.gather(local_ids)  # (P,)
    before = sum(processes.sizes(len(local_ids))[: processes.rank])
    positives = torch.tensor(batch.positives, dtype=torch.int64, device=device) + before
    width = max(len(ids) for ids in batch.gold_ids)
    gold_ids = torch.tensor([[*ids, *[NO_GOLD] * (width - len(ids))] for ids in batch.gold_ids], device=device)
    first = (passage_ids.unsqueeze(0) == passage_ids.unsqueeze(1)).int().argmax(1)  # (P,) first place of each id
    positives = first[positives]
    repeated = first != torch.arange(len(first), device=device)
    return Targets(positives, same_passage_mask(gold_ids, passage_ids, positives) | repeated)
