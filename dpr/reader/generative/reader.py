"""The generative reader: a chat model writes the answer from the passages and cites them, or says there is none.

What it says of passages is checked, not believed: a citation counts if it is a passage's number, and an answer span is
given only where the words stand in a cited passage. Where the model fails, another reader answers, and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Protocol

from dpr.errors import ConfigError, GeneratorError, MissingDependencyError
from dpr.reader.generative.citations import read_reply
from dpr.reader.generative.prompt import NO_ANSWER, Message, make_prompt
from dpr.types import Candidates, Reader, Reading

if TYPE_CHECKING:
    from dpr.reader.generative.sse import Delta

logger = logging.getLogger(__name__)

MAX_PROMPT_CHARACTERS = 12_000
CONCURRENCY = 8
FELL_BACK = "the extractive reader answers instead"
CUT_OFF = "the generator's text was cut off at its limit of tokens"


class Chat(Protocol):
    """A chat model; several threads may ask it at a time."""

    def __call__(self, messages: Sequence[Message]) -> Iterator[Delta]:
        """Yield the pieces of the reply to some messages; raise GeneratorError where that fails."""

    def close(self) -> None:
        """Let go of the connections to it."""


class GenerativeReader:
    """A reader whose answers a chat model writes.

    Args:
        name: the model's name.
        chat: the model, which is closed with the reader.
        fallback: reads the questions at which the model fails; None: the failure is raised.
        max_prompt_characters: rules, passages and question together; passages that do not fit are cut, worst first.
        concurrency: questions that are asked at a time, of all batches of all threads.
    """

    def __init__(
        self,
        name: str,
        chat: Chat,
        fallback: Reader | None = None,
        max_prompt_characters: int = MAX_PROMPT_CHARACTERS,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.name = name
        self.fallback = fallback
        self._chat = chat
        self._max_prompt_characters = max_prompt_characters
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="generator")
        self._turns = BoundedSemaphore(concurrency)  # those who stream ask in threads of their own

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        """Return, for each question, what the model wrote, with at most ``n_best`` spans of the passages it cites.

        Raises:
            GeneratorError: the model failed at a question, and there is no fallback.
            RequestError: a question is too long for a prompt.
        """
        readings: list[Reading] = []
        for outcome in self.read_each(batch, n_best):
            if isinstance(outcome, Exception):
                raise outcome
            readings.append(outcome)
        return readings

    def read_each(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading | Exception]:
        """Return, for each question, what ``read`` does, or why the model failed at it, where there is no fallback.

        Raises:
            RequestError: a question is too long for a prompt.
        """
        waiting = [self._pool.submit(copy_context().run, self._ask, item, n_best) for item in batch]
        try:
            outcomes: list[Reading | Exception] = [future.result() for future in waiting]
        finally:
            for future in waiting:
                future.cancel()
        if self.fallback is None:
            return outcomes
        failed = {place: outcome for place, outcome in enumerate(outcomes) if isinstance(outcome, GeneratorError)}
        others = iter(self._fall_back([batch[place] for place in failed], list(failed.values()), n_best))
        return [next(others) if isinstance(outcome, GeneratorError) else outcome for outcome in outcomes]

    def stream(self, candidates: Candidates, n_best: int = 1) -> Iterator[str | Reading]:
        """Yield the text as the model writes it, and last, once, the reading.

        The reading's text has no citations but good ones. Where the model fails amidst its text, the reading is the
        fallback's and what was yielded before it is void; the marker of no answer is not yielded.

        Raises:
            GeneratorError: the model failed, and there is no fallback.
            RequestError: the question is too long for a prompt.
        """
        try:
            yield from self._generate(candidates, n_best)
        except GeneratorError as error:
            yield from self._fall_back([candidates], [error], n_best)

    def close(self) -> None:
        """End the threads that ask, and the model's connections; the reader is of no use afterwards."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._chat.close()

    def _ask(self, candidates: Candidates, n_best: int) -> Reading | GeneratorError:
        try:
            *_, reading = self._generate(candidates, n_best)
        except GeneratorError as error:
            return error
        return reading if isinstance(reading, Reading) else Reading()

    def _generate(self, candidates: Candidates, n_best: int) -> Iterator[str | Reading]:
        if not candidates.passages:
            yield Reading()
            return
        prompt = make_prompt(candidates, self._max_prompt_characters)
        written, held, finish = "", "", ""
        with self._turns:
            for delta in self._chat(prompt.messages):
                written, held, finish = written + delta.text, held + delta.text, delta.finish or finish
                if held and not NO_ANSWER.startswith(held.strip()):
                    yield held
                    held = ""
        if held.strip() not in {"", NO_ANSWER}:
            yield held
        reading = read_reply(written, prompt.passages, n_best)
        if finish == "length":
            reading = replace(reading, note="; ".join(filter(None, (CUT_OFF, reading.note))))
        yield reading

    def _fall_back(self, batch: Sequence[Candidates], errors: Sequence[GeneratorError], n_best: int) -> list[Reading]:
        if not errors:
            return []
        if self.fallback is None:
            raise errors[0]
        for error in errors:
            logger.warning("the reader %s answers instead: %s", self.fallback.name, error)
        readings = self.fallback.read(batch, n_best)
        return [
            replace(reading, note="; ".join(filter(None, (f"{FELL_BACK}: {error}", reading.note))))
            for reading, error in zip(readings, errors, strict=True)
        ]


def open_generator(
    url: str, model: str, key: str = "", total_s: float = 30.0, fallback: Reader | None = None
) -> GenerativeReader:
    """Return a reader that asks a model at an address; nothing is sent before its first question.

    Args:
        url: the address before ``/chat/completions``.
        model: the model's name there.
        key: empty for a server that asks for none.
        total_s: seconds that a reply is waited for, from the question to its end.
        fallback: answers where the model fails.

    Raises:
        ConfigError: no model is named, or the address or the key cannot be one.
        MissingDependencyError: httpx is not installed.
    """
    if not model.strip():
        raise ConfigError(f"the generator at {url!r} has no model; name one that is served there")
    try:
        from dpr.reader.generative.chat import ChatClient, Patience
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        raise MissingDependencyError.extra("httpx", "generative") from error  # noqa: S610  not Django's
    chat = ChatClient(url, model, key, Patience.of(total_s))
    return GenerativeReader(model, chat, fallback)
