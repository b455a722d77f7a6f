"""A synthetic corpus of any size: texts of Zipf terms about subjects, and vectors that are derived from the terms.

The vectors are about as hard to search as real ones. Over 12,000 of either (all-MiniLM-L6-v2 over passages and
questions of SQuAD, QED and SQuADShifts), the first 32 of 384 principal components have 44 % of the variance (real: 43
%), a question's local intrinsic dimension is 19 (19.5), and its 1st, 10th and 100th nearest have cosines of .65, .53
and .39 (.59, .43, .26); HNSW with ef_search 16 finds 94.6 % of its nearest ten (95.9 %), product codes in 32 of 256
lists 93.6 % (96.0 %). A sum of independent random vectors, without the map of `TermVectors`, is nothing like it:
intrinsic dimension 105, and 31 % with that HNSW.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from dpr.types import FloatArray, IntArray, Passage, Progress, no_progress

TERMS = 80
"""Terms of a passage."""

VOCABULARY = 200_000
SUBJECTS = 2_000
SUBJECT_SHARE = 0.4
"""Share of a passage's terms that are drawn from those of its subject; the others are drawn from all."""

QUESTION_TERMS = 8
STOP_WORDS = 100
"""Most frequent terms, in no question: an analyzer knows them."""

DIMENSION = 384
LATENT = 16
"""Numbers that a text's vector is a function of."""

CURVATURE = 1.5
"""How far that function is from a linear one."""

_CHUNK = 50_000


class TermVectors:
    """An encoder without a model: sines of the direction of a sum of random latent vectors, one for each term.

    The rarer a term, the longer is its latent vector.
    """

    name = "term-vectors"
    fingerprint = "term-vectors-2"
    dimension = DIMENSION
    question_prompt = ""
    passage_prompt = ""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        drawn = random.standard_normal((VOCABULARY, LATENT)).astype(np.float32)
        rarity = np.log1p(np.arange(1, VOCABULARY + 1, dtype=np.float32))
        self._latent = drawn * rarity[:, np.newaxis]
        self._lift = (random.standard_normal((LATENT, DIMENSION)) * CURVATURE).astype(np.float32)
        self._phases = random.uniform(0, 2 * np.pi, DIMENSION).astype(np.float32)

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        """Return the vectors of questions, (Q, D)."""
        return self._encode(questions)

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        """Return the vectors of passages, (P, D)."""
        vectors = self._encode([passage.text for passage in passages])
        progress("encode", len(passages), len(passages))
        return vectors

    def _encode(self, texts: Sequence[str]) -> FloatArray:
        numbers = [[int(term[1:]) for term in text.split()] for text in texts]
        ends = np.cumsum([0, *map(len, numbers)])
        counts = sparse.csr_matrix(
            (np.ones(ends[-1], dtype=np.float32), np.concatenate(numbers), ends), (len(texts), VOCABULARY)
        )
        return _normalized(np.sin(_normalized(counts @ self._latent) @ self._lift + self._phases))


def _normalized(vectors: FloatArray) -> FloatArray:
    normalized: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normalized


def write_corpus(path: Path, passages: int, first: int = 0) -> None:
    """Write passages as JSON lines; each number of them begins with the same."""
    with path.open("w", encoding="utf-8") as file:
        for row, numbers in enumerate(_passages(first, passages), start=first):
            file.write(json.dumps({"id": f"p{row}", "text": _text(numbers)}) + "\n")


def make_questions(count: int) -> list[str]:
    """Return questions, each of some terms of a passage of its own, without the most frequent ones."""
    random = np.random.default_rng(3)
    asked = []
    for numbers in _passages(1 << 40, count):
        rare = np.unique(numbers[numbers >= STOP_WORDS])
        asked.append(_text(random.choice(rare, min(QUESTION_TERMS, len(rare)), replace=False)))
    return asked


def _passages(first: int, count: int) -> Iterator[IntArray]:
    """Yield the terms of passages, by their ranks; a passage's depend on its own number alone."""
    bounds = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    bounds /= bounds[-1]
    for chunk in range(first // _CHUNK, -(-(first + count) // _CHUNK)):
        random = np.random.default_rng([1, chunk])
        drawn = np.searchsorted(bounds, random.random((_CHUNK, TERMS)))
        subjects = random.integers(0, SUBJECTS, _CHUNK)
        # a subject has its own order of the terms: the same law, other terms in front
        is_own = random.random((_CHUNK, TERMS)) < SUBJECT_SHARE
        own = (drawn * np.int64(7919) + subjects[:, np.newaxis] * np.int64(104_729)) % VOCABULARY
        start = max(first - chunk * _CHUNK, 0)
        yield from np.where(is_own, own, drawn)[start : first + count - chunk * _CHUNK]


def _text(numbers: IntArray) -> str:
    return " ".join(f"t{number}" for number in numbers.tolist())
