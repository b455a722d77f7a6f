"""What a model may tell of the texts that it reads: how much of them it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class TokensRead:
    """A model reads the first ``read`` of the ``total`` tokens of a question; special tokens are not counted."""

    read: int
    total: int

    def note(self, model: str) -> str:
        """Return a sentence on what the model did not read, empty where it read all."""
        if self.read >= self.total:
            return ""
        return f"the {model} read the first {self.read:,} of {self.total:,} tokens of the question"


@runtime_checkable
class ReadsTokens(Protocol):
    """An encoder, a retriever or a reader that knows how much of a question it reads."""

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question are read; None where no model reads it."""
