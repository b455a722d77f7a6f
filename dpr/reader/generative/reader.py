"""The generative reader: a chat model writes the answer from the passages and cites them, or says there is none.

Its statements are checked: a citation must be the number of a passage, and an answer span must occur in a cited
passage. If the model fails, another reader answers and a note says so.
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
    """A chat model; several threads may use it at once."""

    def __call__(self, messages: Sequence[Message]) -> Iterator[Delta]:
        """Yield the pieces of the reply to some messages; raise GeneratorError on a failure."""

    def close(self) -> None:
        """Close the connections."""


class GenerativeReader:
    """A reader whose answers a chat model writes.

    Args:
        name: the model's name.
        chat: the model, which is closed with the reader.
        fallback: reads the questions on which the model fails; None raises the failure.
        max_prompt_characters: the limit of rules, passages and question; passages that do not fit are cut, worst first.
        concurrency: the number of concurrent requests of all threads.
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
        """Return the model's answer to each question, with at most ``n_best`` spans of the passages that it cites.

        Raises:
            GeneratorError: the model failed on a question, and there is no fallback.
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
        failed = {row: outcome for row, outcome in enumerate(outcomes) if isinstance(outcome, GeneratorError)}
        fallback_readings = iter(self._fall_back([batch[row] for row in failed], list(failed.values()), n_best))
        return [next(fallback_readings) if isinstance(outcome, GeneratorError) else outcome for outcome in outcomes]

    def stream(self, candidates: Candidates, n_best: int = 1) -> Iterator[str | Reading]:
        """Yield the text as the model writes it, and finally the reading.

        The text of the reading has only valid citations. If the model fails in the middle of its text, the reading is
        the fallback's and the text before it is void. The no-answer marker is not yielded.

        Raises:
            GeneratorError: the model failed, and there is no fallback.
            RequestError: the question is too long for a prompt.
        """
        try:
            yield from self._generate(candidates, n_best)
        except GeneratorError as error:
            yield from self._fall_back([candidates], [error], n_best)

    def close(self) -> None:
        """End the threads and close the model's connections; the reader cannot be used afterwards."""
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
        reply, unsent, finish = "", "", ""
        with self._turns:
            for delta in self._chat(prompt.messages):
                reply, unsent, finish = reply + delta.text, unsent + delta.text, delta.finish or finish
                if unsent and not NO_ANSWER.startswith(unsent.strip()):
                    yield unsent
                    unsent = ""
        if unsent.strip() not in {"", NO_ANSWER}:
            yield unsent
        reading = read_reply(reply, prompt.passages, n_best)
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
    """Return a reader with a model at an address; it sends nothing before the first question.

    Args:
        url: the address before ``/chat/completions``.
        model: the model's name on the server.
        key: empty for a server without keys.
        total_s: the timeout of a whole reply, in seconds.
        fallback: the reader that answers if the model fails.

    Raises:
        ConfigError: there is no model name, or the address or the key is not valid.
        MissingDependencyError: httpx is not installed.
    """
    if not model.strip():
        raise ConfigError(f"the generator at {url!r} has no model; name one that it serves")
    try:
        from dpr.reader.generative.chat import ChatClient, Timeouts
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        raise MissingDependencyError.extra("httpx", "generative") from error  # noqa: S610  not Django's
    chat = ChatClient(url, model, key, Timeouts.from_total(total_s))
    return GenerativeReader(model, chat, fallback)
