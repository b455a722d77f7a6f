"""Texts to vectors, as an index's encoder makes them of questions or of passages, with the tokens that it read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from dpr.errors import RequestError
from dpr.measured import MeasuresTexts, ReadsTokens, TokensRead
from dpr.types import Encoder, FloatArray, Passage
from dpr.value_types import check_value


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedTexts:
    """The vectors of N texts, (N, D), and how many tokens of each were read; None for an encoder that does not say."""

    vectors: FloatArray
    tokens: tuple[int | None, ...]


def embed_texts(encoder: Encoder, texts: Sequence[str], as_passages: bool) -> EmbeddedTexts:
    """Encode texts as questions, or as passages without a title; special tokens and prompts are not counted.

    Raises:
        RequestError: they are no list of texts; its ``field`` is ``texts``.
    """
    check_value("texts", texts, Sequence[str], partial(RequestError, field="texts"))
    if as_passages:
        passages = [Passage("", text) for text in texts]
        reads: Sequence[TokensRead | None] = [None] * len(texts)
        if isinstance(encoder, MeasuresTexts):
            reads = encoder.text_tokens(passages)
        vectors = encoder.encode_passages(passages)
    else:
        reads = [encoder.tokens_read(text) if isinstance(encoder, ReadsTokens) else None for text in texts]
        vectors = encoder.encode_questions(texts)
    return EmbeddedTexts(vectors, tuple(None if read is None else read.read for read in reads))
