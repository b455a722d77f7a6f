"""The step of encoders: chunks of questions and passages, and a loss over their vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import nn

from dpr.models.tokens import Tokens
from dpr.train.batches import Batch, Source, epoch_batches, evenly, local_batch
from dpr.train.chunks import Chunks, TokenCache
from dpr.train.distributed import Processes
from dpr.train.encoder.memory import encoder_memory
from dpr.train.encoder.model import EncoderPair
from dpr.train.encoder.settings import Training
from dpr.train.loss import exempt_mask, in_batch_loss
from dpr.train.memory import StepMemory
from dpr.train.step import CHUNK_TOKENS, Task

B = TypeVar("B")

MEASURED_BATCHES = 500
"""The largest number of batches to consider when the memory of a step is estimated."""

NO_ID = -1
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


Texts = tuple[list[Tokens], list[Tokens]]
"""The texts of a batch for BERT_q and for BERT_p; one of the lists may be empty."""


@dataclass(frozen=True, slots=True)
class PairTask:
    """The loss over the vectors of a batch.

    ``losses`` computes losses from the vectors of questions and passages, (N, D) each. The other fields are those of
    a `Task`.
    """

    losses: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ids: Sequence[str]
    kind: str = "questions"
    negatives: float = 0.0


class PairObjective(Protocol[B]):
    """The objective of two encoders: labels, or a teacher (`dpr.train.distillation`)."""

    def batches(self, epoch: int) -> list[B]:
        """Return an epoch's batches, the same for the same seed."""

    def texts(self, batch: B) -> Texts:
        """Return this process's texts of a batch."""

    def task(self, batch: B) -> PairTask:
        """Return the loss over the vectors of `texts`."""


class EncoderObjective(Generic[B]):
    """Encodes batches in chunks, for an objective over the vectors."""

    def __init__(self, pair: EncoderPair, objective: PairObjective[B], chunk_tokens: int) -> None:
        self._pair = pair
        self._objective = objective
        self._device = next(pair.question.parameters()).device
        self._chunk_tokens = chunk_tokens or CHUNK_TOKENS[self._device.type]
        self.batches = objective.batches

    def memory(self) -> StepMemory:
        """Return the memory that a step takes for the largest batch of an epoch."""
        batches = evenly(self.batches(0), MEASURED_BATCHES)
        return encoder_memory(self._pair, [self._objective.texts(batch) for batch in batches], self._chunk_tokens)

    def tasks(self, batches: Sequence[B]) -> list[Task]:
        """Return a task for each batch, so that a step averages over batches."""
        return [self._task(batch) for batch in batches]

    def _task(self, batch: B) -> Task:
        task = self._objective.task(batch)
        encoders, tokenizers = self._pair.both, self._pair.tokenizers
        chunks = {
            role: Chunks(encoders[role], tokens, tokenizers[role].pad_token_id, self._chunk_tokens)
            for role, tokens in enumerate(self._objective.texts(batch))
            if tokens
        }
        # a process may have no text of a small batch; its gradient is exchanged all the same
        nothing = torch.empty((0, self._pair.question.dimension), device=self._device, requires_grad=True)

        def losses_of(vectors: Sequence[torch.Tensor]) -> torch.Tensor:
            restored = {role: chunks[role].restored(rows) for role, rows in zip(chunks, vectors, strict=True)}
            return task.losses(restored.get(0, nothing), restored.get(1, nothing))

        encodes = [role_chunks.encodes() for role_chunks in chunks.values()]
        return Task(encodes, task.ids, losses_of, task.kind, negatives=task.negatives)


class LabelObjective:
    """In-batch negatives: each question has its positive; the other passages of the global batch are negatives."""

    def __init__(
        self,
        sources: Sequence[Source],
        tokens: TokenCache,
        temperature: Temperature,
        training: Training,
        processes: Processes,
    ) -> None:
        self._sources = sources
        self._batching = training.batching()
        self._tokens = tokens
        self._temperature = temperature
        self._symmetric = training.symmetric
        self._processes = processes

    def batches(self, epoch: int) -> list[Batch]:
        """Return an epoch's batches, see `dpr.train.batches`."""
        return epoch_batches(self._sources, self._batching, epoch)

    def texts(self, batch: Batch) -> Texts:
        """Return the tokens of this process's share of a batch."""
        local = local_batch(batch, self._processes.rank, self._processes.count)
        return self._tokens.questions(local), self._tokens.passages(local)

    def task(self, batch: Batch) -> PairTask:
        """Return the loss of this process's questions over the passages of all processes."""
        local = local_batch(batch, self._processes.rank, self._processes.count)
        targets = targets_of(local, self._processes, self._temperature.log_scale.device)

        def losses(questions: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
            all_passages = self._processes.gather(passages)
            scale = self._temperature()
            return in_batch_loss(questions, all_passages, targets.positives, targets.excluded, scale, self._symmetric)

        ids = [example.question.id for example in batch.questions]
        counted = float(self._processes.sum((~targets.excluded).sum().float()))
        return PairTask(losses, ids, negatives=counted / len(ids) - 1)


@dataclass(frozen=True, slots=True)
class Targets:
    """The column of each question's positive, (Q,), and the columns that are no negatives of it, (Q, P) bool."""

    positives: torch.Tensor
    excluded: torch.Tensor


def targets_of(batch: Batch, processes: Processes, device: torch.device) -> Targets:
    """Return the targets of a batch over the passages of all processes."""
    local_ids = torch.tensor(batch.passage_ids, dtype=torch.int64, device=device)
    passage_ids = processes.gather(local_ids)  # (P,)
    before = sum(processes.sizes(len(local_ids))[: processes.rank])
    positives = torch.tensor(batch.positives, dtype=torch.int64, device=device) + before
    width = max((len(ids) for ids in batch.exempt_ids), default=0)
    filled = [[*ids, *[NO_ID] * (width - len(ids))] for ids in batch.exempt_ids]
    exempt_ids = torch.tensor(filled, dtype=torch.int64, device=device).reshape(len(filled), width)  # (Q, E)
    first = (passage_ids.unsqueeze(0) == passage_ids.unsqueeze(1)).int().argmax(1)  # (P,) first column of each id
    positives = first[positives]
    repeated = first != torch.arange(len(first), device=device)
    return Targets(positives, exempt_mask(exempt_ids, passage_ids, positives) | repeated)
