"""One step of a student: encode the texts of a batch, compare with the teacher, leave the gradients in the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch

from dpr.models.tokens import Tokens
from dpr.train.chunks import CHUNK_TOKENS, Chunks
from dpr.train.encoder.memory import encoder_memory
from dpr.train.encoder.model import Towers
from dpr.train.encoder.settings import Training
from dpr.train.gradcache import cached_backward, plain_backward
from dpr.train.memory import StepMemory
from dpr.train.step_result import StepResult, refuse_bad_loss

B = TypeVar("B")

_MEASURED_BATCHES = 200
"""At most so many batches are tokenized before the first step, to measure how much memory a step takes."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a student has to do with a batch.

    ``questions`` and ``passages`` are what BERT_q and BERT_p encode, one of them perhaps nothing. ``losses`` turns the
    vectors of both, (N, D) each, into the loss of each of ``ids``, which name the batch's ``kind`` of things;
    ``negatives`` is the mean number of passages that each of them was told from.
    """

    questions: list[Tokens]
    passages: list[Tokens]
    losses: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ids: tuple[str, ...]
    kind: str
    negatives: float = 0.0


class Objective(Protocol[B]):
    """What is learned of a teacher: batches, and what to do with one."""

    def batches(self, epoch: int) -> list[B]:
        """Return an epoch's batches, the same for the same seed."""

    def task(self, batch: B) -> Task:
        """Return what a batch asks of the student."""


class DistillStepper(Generic[B]):
    """Computes the gradients of batches for one objective."""

    def __init__(self, towers: Towers, objective: Objective[B], training: Training, precision: torch.dtype) -> None:
        self._towers = towers
        self._objective = objective
        self._precision = precision
        self.gradient_cache = bool(training.gradient_cache)
        self.device = next(towers.question.parameters()).device
        self._chunk_tokens = training.chunk_tokens or CHUNK_TOKENS[self.device.type]

    def memory(self, batches: Sequence[B]) -> StepMemory:
        """Return the memory that a step takes for the largest of some batches; see ``_MEASURED_BATCHES``."""
        tasks = [self._objective.task(batch) for batch in batches[:: -(-len(batches) // _MEASURED_BATCHES)]]
        texts = [(task.questions, task.passages) for task in tasks]
        return encoder_memory(self._towers, texts, self._chunk_tokens, self._autocast)

    def backward(self, batches: Sequence[B], scaler: torch.amp.GradScaler | None = None) -> StepResult:
        """Add the gradient of the mean loss of some batches to the weights.

        Raises:
            BadLossError: the loss is not finite; the message names what the batch holds.
        """
        results = [self._one(batch, 1 / len(batches), scaler) for batch in batches]
        return StepResult(
            loss=sum(result.loss for result in results) / len(results),
            negatives=sum(result.negatives for result in results) / len(results),
            questions=sum(result.questions for result in results),
        )

    def _one(self, batch: B, share: float, scaler: torch.amp.GradScaler | None) -> StepResult:
        task = self._objective.task(batch)
        factor = share / len(task.ids) * (scaler.get_scale() if scaler else 1.0)
        parts = {
            role: self._chunks(role, tokens) for role, tokens in enumerate((task.questions, task.passages)) if tokens
        }
        nothing = torch.empty((0, self._towers.question.dimension), device=self.device)

        def loss_of(vectors: Sequence[torch.Tensor]) -> torch.Tensor:
            restored = {
                role: chunks.restored(part) for (role, chunks), part in zip(parts.items(), vectors, strict=True)
            }
            with torch.autocast(self.device.type, enabled=False):
                return task.losses(restored.get(0, nothing), restored.get(1, nothing)).sum() * factor

        chunks = [part.encodes(self._autocast()) for part in parts.values()]
        if self.gradient_cache:
            scaled = cached_backward(chunks, loss_of)
        else:
            with self._autocast():  # weights are cast once for all chunks
                scaled = plain_backward(chunks, loss_of)
        loss = float(scaled) / factor / len(task.ids)
        refuse_bad_loss(loss, task.kind, task.ids, is_scaled=scaler is not None)
        return StepResult(loss, task.negatives, len(task.ids))

    def _chunks(self, role: int, tokens: list[Tokens]) -> Chunks:
        pad_id = self._towers.tokenizers[role].pad_token_id
        return Chunks(self._towers.both[role], tokens, pad_id, self._chunk_tokens)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self._precision, enabled=self._precision != torch.float32)
