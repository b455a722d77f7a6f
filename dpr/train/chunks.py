"""Encode the texts of a batch: tokenized once, sorted by length, in chunks of a limited number of padded tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch

from dpr.models.text_encoder import EncoderConfig, TextEncoder
from dpr.models.tokens import Tokens, length_sorted_batches, pad, tokenize_passages, tokenize_questions
from dpr.train.batches import Batch, Source
from dpr.train.gradcache import Encode
from dpr.types import Passage


class TokenCache:
    """The tokens of every question and passage of the training sets."""

    def __init__(self, tokenizers: tuple[Any, Any], config: EncoderConfig, sources: Sequence[Source]) -> None:
        question_tokenizer, passage_tokenizer = tokenizers
        texts = list(dict.fromkeys(example.question.text for source in sources for example in source.examples))
        passages = list({passage.id: passage for passage in _passages(sources)}.values())
        questions = tokenize_questions(question_tokenizer, texts, config.question_tokens, config.question_prompt)
        self._questions = dict(zip(texts, questions, strict=True))
        ids = [passage.id for passage in passages]
        tokens = tokenize_passages(passage_tokenizer, passages, config.passage_tokens, config.passage_prompt)
        self._passages = dict(zip(ids, tokens, strict=True))
        self.cut_passages = sum(len(tokens) >= config.passage_tokens for tokens in self._passages.values())
        self.passage_count = len(passages)

    def questions(self, batch: Batch) -> list[Tokens]:
        """Return the tokens of a batch's questions."""
        return [self._questions[example.question.text] for example in batch.questions]

    def passages(self, batch: Batch) -> list[Tokens]:
        """Return the tokens of a batch's passages."""
        return [self._passages[passage.id] for passage in batch.passages]


def _passages(sources: Sequence[Source]) -> Iterable[Passage]:
    for source in sources:
        for example in source.examples:
            yield from example.positives
            yield from example.negatives


class Chunks:
    """N texts in chunks of similar length, and the permutation that restores their order."""

    def __init__(self, encoder: TextEncoder, tokens: Sequence[Tokens], pad_id: int, chunk_tokens: int) -> None:
        self._encoder = encoder
        self._inputs = []
        order: list[int] = []
        device = next(encoder.parameters()).device
        for rows in length_sorted_batches([len(item) for item in tokens], chunk_tokens):
            inputs = pad([tokens[row] for row in rows], pad_id)
            self._inputs.append({name: tensor.to(device, non_blocking=True) for name, tensor in inputs.items()})
            order += rows
        self._inverse = torch.empty(len(order), dtype=torch.int64)
        self._inverse[order] = torch.arange(len(order))
        self._inverse = self._inverse.to(device)

    def encodes(self) -> list[Encode]:
        """Return the forward pass of each chunk."""
        return [partial(self._encoder, **inputs) for inputs in self._inputs]

    def restored(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the vectors of the chunks, (N, D), in the order of the texts."""
        return vectors[self._inverse]
