"""Small stand-ins that fulfil the project's Protocols, for tests of the rooms above them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from dpr.errors import RequestError
from dpr.search.contract import Retriever
from dpr.search.fusion import Fusion
from dpr.search.reranking import RerankOptions
from dpr.types import FloatArray, Passage, Progress, QuestionWords, no_progress


class HashEncoder:
    """An encoder without a model: the normalized sum of one pseudo-random vector for each word."""

    name = "hash-encoder"
    dimension = 32
    question_prompt = ""
    passage_prompt = ""

    def __init__(self, fingerprint: str = "hash-1") -> None:
        self.fingerprint = fingerprint

    def _vector(self, text: str) -> FloatArray:
        total = np.zeros(self.dimension, dtype=np.float32)
        for word in text.casefold().split():
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
            total += np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32)
        return total / np.float32(np.linalg.norm(total) or 1.0)

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        return np.stack([self._vector(question) for question in questions])

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        progress("encode", len(passages), len(passages))
        return np.stack([self._vector(f"{passage.title} {passage.text}") for passage in passages])


class WordAnalyzer:
    """Terms are the lower-cased words between blanks."""

    name = "words"
    version = "1"

    def terms(self, text: str) -> list[str]:
        return text.casefold().split()

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        return map(self.terms, texts)

    def questions(self, texts: Iterable[str]) -> Iterator[QuestionWords]:
        return (QuestionWords(self.terms(text)) for text in texts)

    def halves(self, word: str) -> list[tuple[str, ...]]:
        return []


class FakePool:
    """Passages by row and by id, without an index."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages

    def __len__(self) -> int:
        return len(self._passages)

    def __iter__(self) -> Iterator[Passage]:
        return iter(self._passages)

    def __getitem__(self, row: int) -> Passage:
        return self._passages[row]

    def row_of(self, passage_id: str) -> int | None:
        return next((row for row, passage in enumerate(self._passages) if passage.id == passage_id), None)


class FakeIndex:
    """Some passages and the retrievers over them, as an open index offers them."""

    generation = "000003"
    fusion = Fusion()
    rerank: RerankOptions | None = None

    def __init__(self, passages: Sequence[Passage], retrievers: Mapping[str, Retriever]) -> None:
        self.passages = FakePool(passages)
        self.retrievers = retrievers

    def retriever(self, name: str, fusion: Fusion | None = None) -> Retriever:
        if name not in self.retrievers:
            raise RequestError(f"unknown retriever {name!r}; choose from {', '.join(self.retrievers)}", "retriever")
        return self.retrievers[name]
