"""What a stream gives, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.results import Answered, Hit


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The hits of all questions, before anything is read."""

    questions: tuple[str, ...]
    hits: tuple[tuple[Hit, ...], ...]
    generation: str


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A piece of an answer as a generator writes it; the answer that follows has the text as it was checked."""

    text: str


AnswerPiece = Retrieved | WrittenText | Answered
"""One `Retrieved`, then `WrittenText` where a generator writes, then an `Answered` for each question in its order."""
