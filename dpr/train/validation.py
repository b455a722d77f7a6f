"""Validation: the ranks of the gold passages of held-out questions among all held-out passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dpr.errors import DataError
from dpr.evaluation.ranks import gold_ranks, rank_metrics
from dpr.models.embed import embed
from dpr.models.encoder_compute import torch_compute
from dpr.models.text_encoder import TextEncoder
from dpr.models.tokens import tokenize_passages, tokenize_questions
from dpr.train.long_passages import long_passages, window
from dpr.types import Example, Passage


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out questions, and the passages to search.

    ``golds`` and ``excluded`` are rows of ``passages`` for each question: the relevant ones, and those that do not
    count (``excluded_ids`` of `Example`).
    """

    questions: tuple[str, ...]
    passages: tuple[Passage, ...]
    golds: tuple[tuple[int, ...], ...]
    excluded: tuple[tuple[int, ...], ...]

    @classmethod
    def from_examples(cls, examples: Sequence[Example]) -> HeldOut:
        """Use the questions of the examples, and all their passages as the pool.

        Raises:
            DataError: no question has a passage.
        """
        answerable = [example for example in examples if example.positives and not example.is_impossible]
        if not answerable:
            raise DataError("no question of the validation data has a passage; name a data set with passages")
        pool = {passage.id: passage for example in answerable for passage in (*example.positives, *example.negatives)}
        row = {passage_id: number for number, passage_id in enumerate(pool)}
        return cls(
            questions=tuple(example.question.text for example in answerable),
            passages=tuple(pool.values()),
            golds=tuple(tuple(row[passage.id] for passage in example.positives) for example in answerable),
            excluded=tuple(tuple(row[name] for name in example.excluded_ids if name in row) for example in answerable),
        )

    def measure(
        self, encoders: tuple[TextEncoder, TextEncoder], tokenizers: tuple[Any, Any], precision: torch.dtype
    ) -> dict[str, float]:
        """Return `rank_metrics` of two encoders; a passage that is too long for them counts by its best window."""
        question_encoder, passage_encoder = encoders
        config = question_encoder.config
        questions = tokenize_questions(tokenizers[0], self.questions, config.question_tokens, config.question_prompt)
        spans_of = long_passages(self.passages, tokenizers[1], config)
        windows = [
            [window(passage, span) for span in spans_of[passage.id]] if passage.id in spans_of else [passage]
            for passage in self.passages
        ]
        first = np.cumsum([0, *map(len, windows[:-1])])
        texts = [text for of_passage in windows for text in of_passage]
        passages = tokenize_passages(tokenizers[1], texts, config.passage_tokens, config.passage_prompt)
        for encoder in encoders:
            encoder.eval()
        question_vectors = embed(torch_compute(question_encoder, precision), questions, tokenizers[0].pad_token_id)
        passage_vectors = embed(torch_compute(passage_encoder, precision), passages, tokenizers[1].pad_token_id)
        for encoder in encoders:
            encoder.train()
        return rank_metrics(gold_ranks(question_vectors, passage_vectors, self.golds, first, self.excluded))
