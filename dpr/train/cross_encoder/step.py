"""The step of a cross-encoder: chunks of questions with their passages, and their losses."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch

from dpr.models.cross_encoder import Columns, PairTokenizer
from dpr.models.tokens import length_sorted_batches
from dpr.train.batches import Source, sampled
from dpr.train.cross_encoder.settings import CrossEncoderTraining
from dpr.train.distributed import Processes
from dpr.train.memory import StepMemory, chunk_memory
from dpr.train.step import CHUNK_TOKENS, Task
from dpr.types import Example

_MEASURED_PAIRS = 64
"""The number of pairs with most characters that are tokenized to find the longest one."""


def epoch_groups(sources: Sequence[Source], training: CrossEncoderTraining, epoch: int) -> list[list[Example]]:
    """Return an epoch's batches, the same for the same seed: examples with one positive and sampled negatives."""
    shuffle = random.Random(training.seed * 1_000_003 + epoch)  # noqa: S311 - sampling, not secrets
    examples = [example for source in sources for example in sampled(source, shuffle)]
    shuffle.shuffle(examples)
    groups = [_group(example, training.hard_negatives, shuffle) for example in examples]
    return [groups[first : first + training.batch_size] for first in range(0, len(groups), training.batch_size)]


def _group(example: Example, hard_negatives: int, shuffle: random.Random) -> Example:
    negatives = shuffle.sample(example.negatives, min(hard_negatives, len(example.negatives)))
    return Example(example.question, example.positives[:1], tuple(negatives))


def group_losses(logits: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Return the loss of each question, (Q,): the cross-entropy of its positive among its passages.

    That is the localized contrastive estimation of Gao et al. 2021, "Rethink training of BERT rerankers in multi-stage
    retrieval pipeline".

    Args:
        logits: the score of each pair, (N,), the pairs of a question together and the positive first.
        sizes: the number of pairs of each question.
    """
    return torch.stack([of_group.logsumexp(0) - of_group[0] for of_group in logits.float().split(list(sizes))])


def chunks_of_groups(
    lengths: Sequence[int], group_sizes: Sequence[int], chunk_tokens: int
) -> Iterator[tuple[int, list[int]]]:
    """Yield chunks of whole groups: the first pair, and the number of pairs of each group.

    A chunk has at most ``chunk_tokens`` tokens, or one group.

    Args:
        lengths: the tokens of each pair, those of a group together.
        group_sizes: the number of pairs of each group.
        chunk_tokens: the limit.
    """
    first = tokens = 0
    sizes: list[int] = []
    for size in group_sizes:
        end = first + sum(sizes)
        added = sum(lengths[end : end + size])
        if sizes and tokens + added > chunk_tokens:
            yield first, sizes
            first, tokens, sizes = end, 0, []
        sizes.append(size)
        tokens += added
    if sizes:
        yield first, sizes


class CrossEncoderObjective:
    """Rank each question's positive before its hard negatives.

    Questions are scored together while their pairs have no more tokens than a chunk. Within a chunk the pairs are
    sorted by length and read in halves, so that short passages are not padded to the longest of their question.

    Args:
        model: the sequence classifier, with its adapter if it has one.
        pairs: the tokenizer of pairs.
        sources: questions with negatives.
        training: the settings.
        processes: the processes that share a batch.
    """

    def __init__(
        self,
        model: Any,
        pairs: PairTokenizer,
        sources: Sequence[Source],
        training: CrossEncoderTraining,
        processes: Processes,
    ) -> None:
        self._model = model
        self._pairs = pairs
        self._sources = sources
        self._training = training
        self._processes = processes
        self._device: torch.device = model.device
        self._chunk_tokens = training.chunk_tokens or CHUNK_TOKENS[self._device.type]

    def batches(self, epoch: int) -> list[list[Example]]:
        """Return an epoch's batches, see `epoch_groups`."""
        return epoch_groups(self._sources, self._training, epoch)

    def memory(self) -> StepMemory:
        """Return the memory that a step takes."""
        columns, _ = self._columns(longest_groups([example for source in self._sources for example in source.examples]))
        row = max(range(len(columns["input_ids"])), key=lambda row: len(columns["input_ids"][row]))
        tokens = len(columns["input_ids"][row])
        chunk_tokens = max((1 + self._training.hard_negatives) * tokens, self._chunk_tokens)
        return chunk_memory(lambda rows: self._scores(columns, [row] * rows), tokens, self._model, chunk_tokens)

    def tasks(self, batches: Sequence[list[Example]]) -> list[Task]:
        """Return one task, so that a step averages over the questions of all batches."""
        groups = [group for batch in batches for group in batch]
        columns, group_sizes = self._columns(groups[self._processes.rank :: self._processes.count])
        lengths = [len(ids) for ids in columns.get("input_ids", [])]
        chunks = [
            partial(self._losses, columns, lengths, first, sizes)
            for first, sizes in chunks_of_groups(lengths, group_sizes, self._chunk_tokens)
        ]
        negatives = sum(len(group.negatives) for group in groups) / len(groups)
        return [Task([chunks], [group.question.id for group in groups], negatives=negatives)]

    def _losses(self, columns: Columns, lengths: Sequence[int], first: int, sizes: Sequence[int]) -> torch.Tensor:
        """Return the losses of a chunk's questions, (Q,)."""
        rows = range(first, first + sum(sizes))
        half = max(1, self._chunk_tokens // 2)
        batches = list(length_sorted_batches([lengths[row] for row in rows], half))
        logits = torch.cat([self._scores(columns, [rows[index] for index in batch]) for batch in batches])
        order = torch.tensor([index for batch in batches for index in batch], device=self._device)
        return group_losses(logits[order.argsort()], sizes)

    def _columns(self, groups: Sequence[Example]) -> tuple[Columns, list[int]]:
        """Return the inputs of the pairs of some questions, and the number of pairs of each."""
        if not groups:
            return {}, []
        pairs = [(group.question.text, passage) for group in groups for passage in (*group.positives, *group.negatives)]
        columns = self._pairs.columns([question for question, _ in pairs], [passage for _, passage in pairs])
        return columns, [len(group.positives) + len(group.negatives) for group in groups]

    def _scores(self, columns: Columns, rows: Sequence[int]) -> torch.Tensor:
        logits: torch.Tensor = self._model(**self._pairs.inputs(columns, rows, self._device)).logits  # (B, 1)
        return logits[:, 0]


def longest_groups(examples: Sequence[Example]) -> list[Example]:
    """Return the questions with the longest passages of the data, one passage each."""
    pairs = [(example, passage) for example in examples for passage in (*example.positives, *example.negatives)]
    pairs.sort(key=lambda pair: -len(pair[0].question.text) - len(pair[1].title) - len(pair[1].text))
    return [Example(example.question, (passage,)) for example, passage in pairs[:_MEASURED_PAIRS]]
