"""Optional Protocols of models: how long texts are in tokens, and how much of them is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from dpr.types import BoolArray, FloatArray, Passage, Progress, no_progress


@dataclass(frozen=True, slots=True)
class TokensRead:
    """A model reads the first ``read`` of the ``total`` tokens of a text; special tokens are not counted."""

    read: int
    total: int

    def note(self, model: str) -> str:
        """Return a sentence on what the model did not read of a question, empty if it read all."""
        if self.read >= self.total:
            return ""
        return f"the {model} read the first {self.read:,} of {self.total:,} tokens of the question"


@runtime_checkable
class ReadsTokens(Protocol):
    """An encoder, a retriever or a reader that knows how much of a question it reads."""

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question are read; None if no model reads it."""


class EncodedPassages(NamedTuple):
    """The vectors of P passages, (P, D), and which of them are longer than the encoder reads, (P,); None: not known."""

    vectors: FloatArray
    is_cut: BoolArray | None


@runtime_checkable
class MeasuresPassages(Protocol):
    """An encoder that knows which passages are longer than it reads."""

    @property
    def passage_tokens(self) -> int:
        """How many tokens of a passage it reads, special tokens included."""

    def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
        """Return the vectors of passages in their order, and which of them were cut."""


@runtime_checkable
class MeasuresTexts(Protocol):
    """An encoder that knows how many tokens a passage's text has, and how many of them it reads."""

    def text_tokens(self, passages: Sequence[Passage]) -> list[TokensRead]:
        """Return for each passage how many of its text's tokens are read, after its prompt and its title."""

    def count_tokens(self, text: str) -> int:
        """Return a text's number of tokens, special tokens not counted."""
