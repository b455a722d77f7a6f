"""OpenQA: a question goes in; its passages come out, and the span that answers it, or that there is none.

The questions of one call are computed together: one encoding, one search of each list, one reading. The limits
on what may be asked are stated here, once, for every caller: a command, the service, a notebook.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpr.errors import RequestError
from dpr.types import Candidates, Hit, Passage, Reader, Reading

if TYPE_CHECKING:
    from dpr.search.fusion import Fusion
    from dpr.search.open import OpenIndex

MAX_QUESTION_CHARACTERS = 1_000
MAX_K = 100
MAX_N_BEST = 20


@dataclass(frozen=True, slots=True)
class QuestionRule:
    """Something that no question may be; ``sentence`` may name the question's ``{length}`` in characters."""

    code: str
    broken_by: Callable[[str], bool]
    sentence: str


QUESTION_RULES = (
    QuestionRule(
        "question_empty",
        lambda text: not text.strip(),
        "the question is empty; ask at least one word",
    ),
    QuestionRule(
        "question_too_long",
        lambda text: len(text) > MAX_QUESTION_CHARACTERS,
        f"the question has {{length:,}} characters, over the limit of {MAX_QUESTION_CHARACTERS:,}; shorten it",
    ),
    QuestionRule(
        "question_invalid_character",
        lambda text: any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text),
        "the question has a NUL character or half of a surrogate pair, which is not text; remove it",
    ),
)


def broken_rule(question: str) -> tuple[str, str] | None:
    """Return the code and the sentence of the first rule that a question breaks, None for a good question."""
    for rule in QUESTION_RULES:
        if rule.broken_by(question):
            return rule.code, rule.sentence.format(length=len(question))
    return None


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall time in milliseconds of one call, which all of its questions share."""

    retrieve_ms: float
    read_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Answered:
    """All that is known of one question: its hits, their passages in the same order, and the reader's verdict."""

    question: str
    hits: tuple[Hit, ...]
    passages: tuple[Passage, ...]
    reading: Reading
    timings: Timings
    generation: str


class OpenQA:
    """Questions against one open index generation, with a reader or, for retrieval alone, without.

    Args:
        index: the open generation.
        reader: None where only passages are asked for; ``answer`` then refuses.
    """

    def __init__(self, index: OpenIndex, reader: Reader | None) -> None:
        self.index = index
        self.reader = reader

    def retrieve(
        self, questions: Sequence[str], retriever: str = "hybrid", k: int = 10, fusion: Fusion | None = None
    ) -> list[list[Hit]]:
        """Return at most ``k`` hits for each question, best first.

        Raises:
            RequestError: a question is empty, too long or not text, ``k`` is not in 1..100, or the index has no
                such retriever; its ``field`` names the parameter.
        """
        _check_questions(questions)
        _check_range("k", k, MAX_K)
        chosen = self.index.retriever(retriever, fusion)
        return chosen.search(questions, k) if questions else []

    def note(self, question: str, retriever: str = "hybrid") -> str:
        """Return a sentence on how much of a question the retriever's encoder reads; empty where it reads all of it.

        Raises:
            RequestError: the index has no such retriever.
        """
        tokens = self.index.retriever(retriever).tokens_read(question)
        return tokens.note("encoder") if tokens else ""

    def passages(self, hits: Sequence[Hit]) -> tuple[Passage, ...]:
        """Return the passages of hits, in their order."""
        return tuple(self.index.passages.get([hit.row for hit in hits]))

    def answer(
        self,
        questions: Sequence[str],
        retriever: str = "hybrid",
        k: int = 10,
        fusion: Fusion | None = None,
        n_best: int = 1,
    ) -> list[Answered]:
        """Retrieve ``k`` passages for each question, read them, and return at most ``n_best`` answers to each.

        A question without a single hit is not read: its reading has no answer and ``is_answered`` is false.

        Raises:
            RequestError: as for ``retrieve``; ``n_best`` is not in 1..20, or there is no reader.
        """
        reader = self._reader()
        _check_range("n_best", n_best, MAX_N_BEST)
        started = time.perf_counter()
        hits = self.retrieve(questions, retriever, k, fusion)
        passages = [self.passages(found) for found in hits]
        retrieved = time.perf_counter()
        readings = [
            replace(reading, note="; ".join(filter(None, (self.note(question, retriever), reading.note))))
            for question, reading in zip(questions, _read(reader, questions, hits, passages, n_best), strict=True)
        ]
        finished = time.perf_counter()
        timings = Timings(_ms(started, retrieved), _ms(retrieved, finished), _ms(started, finished))
        return [
            Answered(question, tuple(found), texts, reading, timings, self.index.generation)
            for question, found, texts, reading in zip(questions, hits, passages, readings, strict=True)
        ]

    def _reader(self) -> Reader:
        if self.reader is None:
            raise RequestError("there is no reader to answer with; ask for passages, or give a reader")
        return self.reader


def _read(
    reader: Reader,
    questions: Sequence[str],
    hits: Sequence[Sequence[Hit]],
    passages: Sequence[tuple[Passage, ...]],
    n_best: int,
) -> list[Reading]:
    """Read, in one batch, the questions that have passages; the others get the empty reading."""
    readings = [Reading()] * len(questions)
    readable = [place for place, texts in enumerate(passages) if texts]
    batch = [
        Candidates(
            questions[place],
            passages[place],
            tuple(hit.score for hit in hits[place]),
            tuple(hit.window for hit in hits[place]),
        )
        for place in readable
    ]
    for place, reading in zip(readable, reader.read(batch, n_best) if batch else [], strict=True):
        readings[place] = reading
    return readings


def _check_questions(questions: Sequence[str]) -> None:
    if isinstance(questions, str):
        raise RequestError("questions is one string; put it into a list", field="questions")
    for question in questions:
        broken = broken_rule(question)
        if broken is not None:
            raise RequestError(broken[1], field="question")


def _check_range(field: str, value: int, maximum: int) -> None:
    if not 1 <= value <= maximum:
        raise RequestError(f"{field} is {value}; choose 1 to {maximum}", field=field)


def _ms(start: float, end: float) -> float:
    return (end - start) * 1000
