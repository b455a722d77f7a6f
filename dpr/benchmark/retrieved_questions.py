"""Questions with their retrieved passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dpr.errors import DataError
from dpr.reader.extractive.reader import first_passages
from dpr.search.contract import SearchableIndex
from dpr.search.fusion import Fusion
from dpr.types import Candidates, Example, Progress, no_progress

BATCH_QUESTIONS = 64

DEPTH = 100
"""Passages to retrieve before those of the question's own documents are dropped."""


@dataclass(frozen=True, slots=True)
class RetrieverChoice:
    """Which retriever of an index to use, and how deep.

    Attributes:
        name: the retriever, with ``+rerank`` if its hits are reranked.
        k: the number of passages for each question.
        fusion: how a retriever that fuses does so; None: the index's default.
    """

    name: str
    k: int
    fusion: Fusion | None = None


@dataclass(frozen=True, slots=True)
class RetrievedQuestions:
    """Questions with their retrieved passages, to the greatest depth."""

    examples: Sequence[Example]
    candidates: Sequence[Candidates]

    def __add__(self, more: RetrievedQuestions) -> RetrievedQuestions:
        """Return these questions followed by more."""
        return RetrievedQuestions([*self.examples, *more.examples], [*self.candidates, *more.candidates])

    def at(self, k: int) -> list[Candidates]:
        """Return the questions with their first k passages."""
        return [first_passages(item, k) for item in self.candidates]


def retrieve(
    index: SearchableIndex, examples: Sequence[Example], choice: RetrieverChoice, progress: Progress = no_progress
) -> RetrievedQuestions:
    """Return the questions with the k best passages of each.

    Raises:
        DataError: there are no questions.
        RequestError: the index has no such retriever, or cannot serve k.
    """
    if not examples:
        raise DataError("there are no questions to ask; name a data set with questions and answers")
    retriever = index.retriever(choice.name, choice.fusion)
    candidates: list[Candidates] = []
    progress(f"search {choice.name}", 0, len(examples))
    for first in range(0, len(examples), BATCH_QUESTIONS):
        texts = [example.question.text for example in examples[first : first + BATCH_QUESTIONS]]
        for text, hits in zip(texts, retriever.search(texts, choice.k), strict=True):
            passages = tuple(index.passages[hit.row] for hit in hits)
            scores, windows = tuple(hit.score for hit in hits), tuple(hit.window for hit in hits)
            candidates.append(Candidates(text, passages, scores, windows))
        progress(f"search {choice.name}", len(candidates), len(examples))
    return RetrievedQuestions(examples, candidates)


def retrieve_without_own_documents(
    index: SearchableIndex,
    examples: Sequence[Example],
    share: float,
    choice: RetrieverChoice,
    progress: Progress = no_progress,
) -> RetrievedQuestions:
    """Return a share of the questions with the k best passages that are not of the question's own documents.

    This simulates an index without these documents, because users also ask about what an index does not contain. The
    passages come from the ``DEPTH`` best ones, and no answer to these questions is right.

    Raises:
        RequestError: the index has no such retriever.
    """
    count = round(share * len(examples))
    sample = [examples[number * len(examples) // count] for number in range(count)]
    if not sample:
        return RetrievedQuestions([], [])
    retrieved = retrieve(index, sample, replace(choice, k=max(choice.k, DEPTH)), progress)
    return RetrievedQuestions(
        [replace(example, question=replace(example.question, answers=()), is_impossible=True) for example in sample],
        [
            _without_own_documents(item, example, choice.k)
            for item, example in zip(retrieved.candidates, sample, strict=True)
        ],
    )


def _without_own_documents(item: Candidates, example: Example, k: int) -> Candidates:
    own_ids = {passage.document_id or passage.id for passage in example.positives}
    pairs = [
        (passage, score)
        for passage, score in zip(item.passages, item.scores, strict=True)
        if (passage.document_id or passage.id) not in own_ids
    ][:k]
    return replace(item, passages=tuple(passage for passage, _ in pairs), scores=tuple(score for _, score in pairs))
