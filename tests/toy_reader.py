"""A reader in one module: the answer is the last word of the first passage. Nothing else knows of it."""

from __future__ import annotations

from collections.abc import Sequence

from dpr.reader.registry import ReaderEntry
from dpr.types import Answer, Candidates, Reader, Reading

KIND = "last-word"


class LastWordReader:
    """Answers with the last word of the first passage, and has no probability."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        del n_best
        return [_reading(candidates) for candidates in batch]


def _reading(candidates: Candidates) -> Reading:
    passage = candidates.passages[0]
    word = passage.text.split()[-1]
    answer = Answer(word, passage.id, len(passage.text) - len(word), len(passage.text), 1.0, 1.0, 0.0)
    return Reading((answer,), is_answered=True, no_answer_score=-1.0)


def _load(model: str, _precision: str, _backend: str) -> Reader:
    return LastWordReader(model)


ENTRY = ReaderEntry("the last word of the first passage", _load)
