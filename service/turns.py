"""Turns at this machine's own models, while a generator on another one is waited for by many.

Retrieving and reading keep all cores busy and are done one at a time; waiting for a generator keeps none busy. So a
server with a generator has several threads, which take turns at what is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from dpr.pipeline import OpenQA
from dpr.types import Candidates, Hit, Reader, Reading

if TYPE_CHECKING:
    from dpr.search.fusion import Fusion
    from dpr.search.open import OpenIndex


class TurnReader:
    """A reader that reads when it is its turn."""

    def __init__(self, reader: Reader, turn: Lock) -> None:
        self.name = reader.name
        self._reader = reader
        self._turn = turn

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        """Wait for the turn, and read."""
        with self._turn:
            return self._reader.read(batch, n_best)


class TurnQA(OpenQA):
    """An ``OpenQA`` that retrieves when it is its turn; its reader sees to its own turns."""

    def __init__(self, index: OpenIndex, reader: Reader | None, turn: Lock) -> None:
        super().__init__(index, reader)
        self._turn = turn

    def retrieve(
        self, questions: Sequence[str], retriever: str = "hybrid", k: int = 10, fusion: Fusion | None = None
    ) -> list[list[Hit]]:
        """Wait for the turn, and retrieve; see ``OpenQA.retrieve``."""
        with self._turn:
            return super().retrieve(questions, retriever, k, fusion)
