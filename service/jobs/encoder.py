"""The encoder that answers questions, lent to a job: it encodes a few documents at a time, and questions in between."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np

from dpr.measured import EncodedPassages, MeasuresPassages, MeasuresTexts, TokensRead
from dpr.types import Encoder, FloatArray, Passage, Progress, no_progress
from service.work import text_tokens

TEXTS_AT_A_TIME = 16
"""Most texts that are encoded before a question may have its turn."""

TOKENS_AT_A_TIME = 1_024
"""About the most tokens of these texts; sixteen long ones took seconds on a slow machine."""


class LentEncoder:
    """An encoder, computing under a lock that others share."""

    def __init__(self, encoder: Encoder, lock: AbstractContextManager[object]) -> None:
        self.name = encoder.name
        self.fingerprint = encoder.fingerprint
        self.dimension = encoder.dimension
        self.question_prompt = encoder.question_prompt
        self.passage_prompt = encoder.passage_prompt
        self._encoder = encoder
        self._lock = lock

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        """Return the vectors of questions, (Q, D)."""
        with self._lock:
            return self._encoder.encode_questions(questions)

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        """Return the vectors of passages, (P, D), in the order given."""
        vectors = np.empty((len(passages), self.dimension), dtype=np.float32)
        for encoded_count, rows in _slices(passages):
            with self._lock:
                vectors[rows] = self._encoder.encode_passages([passages[row] for row in rows])
            progress("encode", encoded_count, len(passages))
        return vectors


class LentMeasuringEncoder(LentEncoder):
    """One that also measures what it encodes."""

    def __init__(self, encoder: Encoder, lock: AbstractContextManager[object]) -> None:
        super().__init__(encoder, lock)
        if not (isinstance(encoder, MeasuresPassages) and isinstance(encoder, MeasuresTexts)):
            raise TypeError(f"the encoder {encoder.name} does not measure passages and texts")
        self.passage_tokens = encoder.passage_tokens
        self._measures_passages: MeasuresPassages = encoder
        self._measures_texts: MeasuresTexts = encoder

    def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
        """Return the vectors of passages in the order given, and which of them were cut."""
        vectors = np.empty((len(passages), self.dimension), dtype=np.float32)
        is_cut, is_known = np.zeros(len(passages), dtype=np.bool_), True
        for encoded_count, rows in _slices(passages):
            with self._lock:
                encoded = self._measures_passages.encode_and_measure([passages[row] for row in rows])
            vectors[rows] = encoded.vectors
            if encoded.is_cut is None:
                is_known = False
            else:
                is_cut[rows] = encoded.is_cut
            progress("encode", encoded_count, len(passages))
        return EncodedPassages(vectors, is_cut if is_known else None)

    def text_tokens(self, passages: Sequence[Passage]) -> list[TokensRead]:
        """Return for each passage how many of its text's tokens are read."""
        tokens: list[TokensRead] = []
        for start in range(0, len(passages), TEXTS_AT_A_TIME):
            with self._lock:
                tokens += self._measures_texts.text_tokens(passages[start : start + TEXTS_AT_A_TIME])
        return tokens

    def count_tokens(self, text: str) -> int:
        """Return a text's number of tokens."""
        with self._lock:
            return self._measures_texts.count_tokens(text)


def lent(encoder: Encoder, lock: AbstractContextManager[object]) -> Encoder:
    """Return an encoder as a job may use it while it answers questions."""
    measures = isinstance(encoder, MeasuresPassages) and isinstance(encoder, MeasuresTexts)
    return LentMeasuringEncoder(encoder, lock) if measures else LentEncoder(encoder, lock)


def _slices(passages: Sequence[Passage]) -> list[tuple[int, list[int]]]:
    """Return the rows of a few passages of like lengths at a time, each with how many are done with them."""
    order = sorted(range(len(passages)), key=lambda row: len(passages[row].text))
    slices: list[tuple[int, list[int]]] = []
    rows: list[int] = []
    tokens = 0
    for number, row in enumerate(order):
        of_text = text_tokens(passages[row].text)
        if rows and (len(rows) == TEXTS_AT_A_TIME or tokens + of_text > TOKENS_AT_A_TIME):
            slices.append((number, rows))
            rows, tokens = [], 0
        rows.append(row)
        tokens += of_text
    return [*slices, (len(order), rows)] if rows else slices
