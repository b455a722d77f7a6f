"""What exact matches are worth: the rarity of WordPieces, and BM25 over a batch's passages, counted in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import torch

from dpr.models.tokens import Tokens
from dpr.types import FloatArray, IntArray

K1, B = 1.2, 0.75
TEMPERATURE = 4.0
"""What the teacher's scores are divided by: a rare word more, or less, is worth about as much."""


def piece_rarity(passages: Iterable[Tokens], vocabulary_size: int) -> FloatArray:
    """Return Lucene's idf of each WordPiece over passages, (V,) float32."""
    frequencies = np.zeros(vocabulary_size)
    count = 0
    for tokens in passages:
        frequencies[np.unique(tokens)] += 1
        count += 1
    rarity: FloatArray = np.log1p((count - frequencies + 0.5) / (frequencies + 0.5)).astype(np.float32)
    return rarity


class LexicalTeacher:
    """Scores passages for questions by the WordPieces that they share.

    A dense retriever that imitates a sparse one keeps what it is weak at, rare words and names (Chen et al. 2021,
    "Salient phrase aware dense retrieval: can a dense retriever imitate a sparse one?"). There the teacher chooses
    positives and negatives; here its scores over all passages of the batch are the target.
    """

    def __init__(self, passages: Collection[Tokens], vocabulary_size: int) -> None:
        """Count in how many of the training sets' passages each piece is."""
        self._rarity = piece_rarity(passages, vocabulary_size)
        self._mean_length = sum(map(len, passages)) / max(len(passages), 1)

    def scores(self, questions: Sequence[Tokens], passages: Sequence[Tokens]) -> torch.Tensor:
        """Return Lucene's BM25 of each passage for each question, over ``TEMPERATURE``, (Q, P) float32."""
        pieces = np.unique(np.concatenate(questions))  # (U,)
        asked = self._counts(questions, pieces)  # (Q, U)
        found = self._counts(passages, pieces)  # (P, U)
        lengths = np.array([len(tokens) for tokens in passages], dtype=np.float32)  # (P,)
        saturation = K1 * (1 - B + B * lengths / self._mean_length)
        weights = self._rarity[pieces] * found / (found + saturation[:, None])  # (P, U)
        return torch.from_numpy(asked @ weights.T * np.float32((K1 + 1) / TEMPERATURE))

    def _counts(self, texts: Sequence[Tokens], pieces: IntArray) -> FloatArray:
        """Return how often each piece comes in each text, (N, U) float32."""
        columns = np.full(len(self._rarity), -1)
        columns[pieces] = np.arange(len(pieces))
        places = columns[np.concatenate(texts)]
        rows = np.repeat(np.arange(len(texts)), [len(tokens) for tokens in texts])
        counts = np.zeros((len(texts), len(pieces)), dtype=np.float32)
        np.add.at(counts, (rows[places >= 0], places[places >= 0]), 1)
        return counts
