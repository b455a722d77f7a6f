"""Questions with the passages that a retriever finds for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from dpr.errors import DataError
from dpr.reader.extractive.reader import first_passages
from dpr.search.contract import Retriever
from dpr.search.fusion import Fusion
from dpr.search.reranking import RerankOptions
from dpr.types import Candidates, Example, IntArray, PassageRows, Progress, no_progress

BATCH_QUESTIONS = 64

DEPTH = 100
"""Passages to retrieve, of which those of a question's own documents are then left out."""


class ReadableIndex(Protocol):
    """What an evaluation needs of an open index."""

    @property
    def generation(self) -> str:
        """The name of the generation."""

    @property
    def passages(self) -> PassageRows:
        """The passages that are searched."""

    @property
    def rerank(self) -> RerankOptions | None:
        """What reranks the hits of retrievers whose name ends in ``+rerank``."""

    def retriever(self, name: str, fusion: Fusion | None = None) -> Retriever:
        """Return a retriever by its name; a fusion goes to those alone that fuse."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions with their passages, at the greatest depth."""

    examples: Sequence[Example]
    candidates: Sequence[Candidates]

    def __add__(self, others: Asked) -> Asked:
        """Return these questions and others after them."""
        return Asked([*self.examples, *others.examples], [*self.candidates, *others.candidates])

    def at(self, k: int) -> list[Candidates]:
        """Return the questions with their first k passages."""
        return [first_passages(item, k) for item in self.candidates]


def retrieve(
    index: ReadableIndex,
    examples: Sequence[Example],
    retriever: str,
    k: int,
    fusion: Fusion | None = None,
    progress: Progress = no_progress,
) -> Asked:
    """Return the questions with the k passages that a retriever finds for each.

    Raises:
        DataError: there are no questions.
        RequestError: the index has no such retriever, or cannot serve k.
    """
    if not examples:
        raise DataError("there are no questions to ask; name a data set with questions and answers")
    opened = index.retriever(retriever, fusion)
    candidates: list[Candidates] = []
    for first in range(0, len(examples), BATCH_QUESTIONS):
        texts = [example.question.text for example in examples[first : first + BATCH_QUESTIONS]]
        for text, hits in zip(texts, opened.search(texts, k), strict=True):
            passages = tuple(index.passages[hit.row] for hit in hits)
            scores, windows = tuple(hit.score for hit in hits), tuple(hit.window for hit in hits)
            candidates.append(Candidates(text, passages, scores, windows))
        progress(f"search {retriever}", len(candidates), len(examples))
    return Asked(examples, candidates)


def ask_of_others(
    index: ReadableIndex,
    examples: Sequence[Example],
    share: float,
    retriever: str,
    k: int,
    fusion: Fusion | None = None,
    progress: Progress = no_progress,
) -> Asked:
    """Return a share of the questions with the k best passages of other documents than their own.

    It is as if the index lacked these documents: users also ask what an index does not hold. The passages come from
    the ``DEPTH`` best ones, and no answer to these questions is right.

    Raises:
        RequestError: the index has no such retriever.
    """
    count = round(share * len(examples))
    chosen = [examples[number * len(examples) // count] for number in range(count)]
    if not chosen:
        return Asked([], [])
    asked = retrieve(index, chosen, retriever, max(k, DEPTH), fusion, progress)
    return Asked(
        [replace(example, question=replace(example.question, answers=()), is_impossible=True) for example in chosen],
        [_of_others(item, example, k) for item, example in zip(asked.candidates, chosen, strict=True)],
    )


def _of_others(item: Candidates, example: Example, k: int) -> Candidates:
    own = {passage.document_id or passage.id for passage in example.positives}
    others = [
        (passage, score)
        for passage, score in zip(item.passages, item.scores, strict=True)
        if (passage.document_id or passage.id) not in own
    ][:k]
    return replace(item, passages=tuple(passage for passage, _ in others), scores=tuple(score for _, score in others))


def article_groups(examples: Sequence[Example]) -> IntArray:
    """Return the number of each question's article, (Q,): questions of one are not as much evidence as of several."""
    articles = [example.positives[0].document_id if example.positives else example.question.id for example in examples]
    return np.unique(articles, return_inverse=True)[1].astype(np.int64)
