"""Questions with the passages that a retriever finds for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dpr.errors import DataError
from dpr.reader.reader import first_passages
from dpr.search.fusion import Fusion
from dpr.types import Candidates, Example, IntArray, Passage, Progress, Retriever, no_progress

BATCH_QUESTIONS = 64


class PassageRows(Protocol):
    """The passages of an index, by row."""

    def get(self, rows: Sequence[int]) -> Sequence[Passage]:
        """Return the passages of rows, in their order."""


class ReadableIndex(Protocol):
    """What an evaluation needs of an open index."""

    @property
    def generation(self) -> str:
        """The name of the generation."""

    @property
    def passages(self) -> PassageRows:
        """The passages that are searched."""

    def retriever(self, name: str, fusion: Fusion | None = None) -> Retriever:
        """Return a retriever by its name; a fusion goes to ``hybrid`` alone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions with their passages, at the greatest depth."""

    examples: Sequence[Example]
    candidates: Sequence[Candidates]

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
            passages = tuple(index.passages.get([hit.row for hit in hits]))
            candidates.append(Candidates(text, passages, tuple(hit.score for hit in hits)))
        progress(f"search {retriever}", len(candidates), len(examples))
    return Asked(examples, candidates)


def article_groups(examples: Sequence[Example]) -> IntArray:
    """Return the number of each question's article, (Q,): questions of one are not as much evidence as of several."""
    articles = [example.positives[0].document_id if example.positives else example.question.id for example in examples]
    return np.unique(articles, return_inverse=True)[1].astype(np.int64)
