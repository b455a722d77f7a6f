"""Make batches of training pairs: each passage once in a batch, questions of one passage together, sets by weight.

An epoch depends on the seed and its number alone, so a resumed run sees the same batches as the killed one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from dpr.errors import DataError
from dpr.models.tokens import length_sorted_batches
from dpr.types import Example, Passage

T = TypeVar("T")

BUCKET_BATCHES = 50
"""Batches whose rows are sorted by length together."""


@dataclass(frozen=True, slots=True)
class Source:
    """A training set; an epoch sees each example ``weight`` times (1.5: once, and half of them twice)."""

    name: str
    examples: Sequence[Example]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Q questions and the P passages that they are compared with.

    ``positives`` are the columns of the questions' positives among the passages; ``exempt_ids`` are the ids (see
    `passage_number`) of the passages that are no negatives of each question: the relevant ones and ``excluded_ids``.
    """

    questions: tuple[Example, ...]
    passages: tuple[Passage, ...]
    positives: tuple[int, ...]
    exempt_ids: tuple[tuple[int, ...], ...]
    passage_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batching:
    """Settings of batches, named as in `dpr.train.encoder.settings.Training`."""

    batch_size: int
    questions_per_passage: int
    document_passages: int
    hard_negatives: int
    separate_sources: bool
    seed: int


def passage_number(passage_id: str) -> int:
    """Return a passage id as a number of 63 bits, the same in every process."""
    return int.from_bytes(blake2b(passage_id.encode(), digest_size=8).digest(), "big") >> 1


def evenly(items: Sequence[T], limit: int) -> Sequence[T]:
    """Return at most ``limit`` items of a sequence, evenly spaced."""
    return items[:: -(-len(items) // limit)] if items else items


def check_sources(sources: Sequence[Source]) -> None:
    """Refuse training sets that cannot be used.

    Raises:
        DataError: there is no example, a question has no passage, or a weight is not above 0.
    """
    for source in sources:
        if not 0 < source.weight < float("inf"):
            raise DataError(f"{source.name}: its weight is {source.weight}; give a number above 0")
        if not source.examples:
            raise DataError(f"{source.name}: there is no question with a passage to train on")
        for example in source.examples:
            if not example.positives:
                raise DataError(
                    f"{source.name}: question {example.question.id!r} has no passage; remove it or label one"
                )
    if not sources:
        raise DataError("there is no training data; name a data set of questions and passages")


def epoch_batches(sources: Sequence[Source], batching: Batching, epoch: int) -> list[Batch]:
    """Return the batches of an epoch in order.

    The last batch of a source (of all sources, unless they are separate) may be smaller. A batch of a single passage
    has no negatives and is dropped.
    """
    shuffle = random.Random(batching.seed * 1_000_003 + epoch)  # noqa: S311 - sampling, not secrets
    pools = [sampled(source, shuffle) for source in sources]
    if not batching.separate_sources:
        pools = [[example for pool in pools for example in pool]]
    batches: list[Batch] = []
    for pool in pools:
        groups = _groups(pool, batching.questions_per_passage, shuffle)
        groups = _blocks(groups, batching.document_passages, shuffle)
        batches += [_batch(rows, batching.hard_negatives, shuffle) for rows in _fill(groups, batching.batch_size)]
    shuffle.shuffle(batches)
    return [batch for batch in batches if len(batch.passages) > 1]


def batches_of_like_length(
    rows: Sequence[int], lengths: Sequence[int], batch_tokens: int, shuffle: random.Random
) -> list[list[int]]:
    """Return batches of rows of similar length, at most ``batch_tokens`` padded tokens each, in random order.

    Rows are sorted by length within buckets of `BUCKET_BATCHES` batches.

    Args:
        rows: rows in random order.
        lengths: the tokens of each row, by its number.
        batch_tokens: the limit; a longer row is a batch of its own.
        shuffle: orders the batches.
    """
    size = max(1, int(BUCKET_BATCHES * batch_tokens * len(rows) / sum(lengths[row] for row in rows)))
    buckets = [rows[first : first + size] for first in range(0, len(rows), size)]
    batches = [batch for bucket in buckets for batch in by_length(bucket, lengths.__getitem__, batch_tokens)]
    shuffle.shuffle(batches)
    return batches


def by_length(items: Sequence[T], length_of: Callable[[T], int], most_tokens: int) -> list[list[T]]:
    """Return items in groups of similar length, longest first, of at most ``most_tokens`` padded tokens each."""
    lengths = [length_of(item) for item in items]
    return [[items[row] for row in rows] for rows in length_sorted_batches(lengths, most_tokens)]


def sampled(source: Source, shuffle: random.Random) -> list[Example]:
    """Return every example as often as the weight says; a fraction selects a random share."""
    repeats, fraction = divmod(source.weight, 1)
    examples = list(source.examples) * int(repeats)
    return examples + shuffle.sample(list(source.examples), round(fraction * len(source.examples)))


def _groups(pool: Sequence[Example], limit: int, shuffle: random.Random) -> list[list[Example]]:
    """Return the examples in random order, in groups of at most ``limit`` that share their positive."""
    shuffled = list(pool)
    shuffle.shuffle(shuffled)
    groups: list[list[Example]] = []
    open_group: dict[str, list[Example]] = {}
    for example in shuffled:
        group = open_group.get(example.positives[0].id)
        if group is None or len(group) == limit:
            group = open_group[example.positives[0].id] = []
            groups.append(group)
        group.append(example)
    shuffle.shuffle(groups)
    return groups


def _blocks(groups: Iterable[list[Example]], size: int, shuffle: random.Random) -> list[list[Example]]:
    """Return the groups in random order, ``size`` of one document in a row: they are each other's hard negatives."""
    of_document: dict[str, list[list[Example]]] = {}
    for group in groups:
        passage = group[0].positives[0]
        of_document.setdefault(passage.document_id or passage.id, []).append(group)
    blocks = [of[first : first + size] for of in of_document.values() for first in range(0, len(of), size)]
    shuffle.shuffle(blocks)
    return [group for block in blocks for group in block]


def _fill(groups: Iterable[list[Example]], batch_size: int) -> Iterator[list[Example]]:
    rows: list[Example] = []
    for group in groups:
        if rows and len(rows) + len(group) > batch_size:
            yield rows
            rows = []
        rows.extend(group)
    if rows:
        yield rows


def _batch(examples: Sequence[Example], hard_negatives: int, shuffle: random.Random) -> Batch:
    passages: dict[str, Passage] = {}
    for example in examples:
        passages.setdefault(example.positives[0].id, example.positives[0])
    for example in examples:
        for negative in shuffle.sample(example.negatives, min(hard_negatives, len(example.negatives))):
            passages.setdefault(negative.id, negative)
    column_of = {passage_id: column for column, passage_id in enumerate(passages)}
    return Batch(
        questions=tuple(examples),
        passages=tuple(passages.values()),
        positives=tuple(column_of[example.positives[0].id] for example in examples),
        exempt_ids=tuple(
            tuple(map(passage_number, [*(passage.id for passage in example.positives), *example.excluded_ids]))
            for example in examples
        ),
        passage_ids=tuple(map(passage_number, passages)),
    )


def local_batch(batch: Batch, rank: int, count: int) -> Batch:
    """Return one process's share of a global batch: some questions, their positives, and some hard negatives.

    Hard negatives are dealt out in turn. The passages of all processes, joined in the order of the ranks, are those of
    the global batch; a positive that questions of two processes share is there twice.
    """
    if count == 1:
        return batch
    rows = range(rank * len(batch.questions) // count, (rank + 1) * len(batch.questions) // count)
    hard_negatives = sorted(set(range(len(batch.passages))) - set(batch.positives))
    columns = [*dict.fromkeys(batch.positives[row] for row in rows), *hard_negatives[rank::count]]
    local_column = {column: number for number, column in enumerate(columns)}
    return Batch(
        questions=tuple(batch.questions[row] for row in rows),
        passages=tuple(batch.passages[column] for column in columns),
        positives=tuple(local_column[batch.positives[row]] for row in rows),
        exempt_ids=tuple(batch.exempt_ids[row] for row in rows),
        passage_ids=tuple(batch.passage_ids[column] for column in columns),
    )
