"""What may be asked: the rules for questions and the ranges of numbers, for every caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import index
from typing import SupportsIndex

from dpr.errors import RequestError, UnknownPassageError

MAX_QUESTION_CHARACTERS = 1_000
MAX_K = 100
MAX_N_BEST = 20
MAX_BATCH = 64
"""Questions of one request to the service."""


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


def listed(questions: object) -> list[str]:
    """Return the questions of a batch.

    Raises:
        RequestError: it is none, or a question is no text; its ``field`` is ``question``.
    """
    if not isinstance(questions, Iterable) or isinstance(questions, bytes | Mapping):
        raise RequestError(f"the question is {questions!r}; give a text, or a list of texts", field="question")
    batch = list(questions)
    for question in batch:
        if not isinstance(question, str):
            raise RequestError(f"the question is {question!r}; give a text", field="question")
    return batch


def check_questions(questions: object) -> None:
    """Refuse a batch that is none, or of which a question is no text or breaks a rule.

    Raises:
        RequestError: it is; its ``field`` is ``question``.
    """
    for question in listed(questions):
        broken = broken_rule(question)
        if broken is not None:
            raise RequestError(broken[1], field="question")


def check_range(field: str, value: SupportsIndex, maximum: int) -> None:
    """Refuse a number that is not in 1 to ``maximum``.

    Raises:
        RequestError: it is not; its ``field`` is the one named.
    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise RequestError(f"{field} is {value!r}; choose a whole number, 1 to {maximum}", field=field)
    if not 1 <= index(value) <= maximum:
        raise RequestError(f"{field} is {value}; choose 1 to {maximum}", field=field)


def check_rank(rank: int, hits: int) -> None:
    """Refuse a rank that none of a question's ``hits`` has.

    Raises:
        UnknownPassageError: none has it; its ``field`` is ``rank``.
    """
    if not hits:
        raise UnknownPassageError(
            f"rank is {rank}, and the question has no hits; name a passage by its id, or ask in other words", "rank"
        )
    if hits < rank:
        counted = "1 hit" if hits == 1 else f"{hits} hits"
        raise UnknownPassageError(f"rank is {rank}, and the question has {counted}; name one of them", "rank")


def why_no_hits(filter: str | None, passing: int | None) -> str:
    """Return in one sentence why a question has no hits.

    Args:
        filter: the filter's text, if there is one.
        passing: how many passages it keeps; None if that is unknown.
    """
    if filter is None:
        return "no passage shares a word with the question"
    if passing is None:
        return f"no passage passes the filter {filter}, or none that does shares a word with the question"
    if passing == 0:
        return f"no passage passes the filter {filter}"
    return f"no passage that passes the filter {filter} shares a word with the question"
