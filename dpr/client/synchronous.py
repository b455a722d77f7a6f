"""The client for threads."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, Unpack, overload

import httpx

from dpr.client import calls, connection, wire
from dpr.client.calls import Call, Questions, SearchOptions
from dpr.client.events import EventParser
from dpr.client.failures import Patience
from dpr.client.pieces import AnswerPiece
from dpr.results import Answered, Hit
from dpr.types import Explanation, FloatArray
from dpr.value_types import check_seconds, checks_types


class Client:
    """Asks a service; several threads may use one. Close it, or use it in a ``with`` block.

    Args:
        url: the address of the service.
        key: an API key, where the server asks for one.
        timeout_s: seconds for one call in all, its retries included: the server is told, too. A server that is full is
            asked again when its ``Retry-After`` says, if that leaves time.
        connect_timeout_s: seconds of a call in which a server that refuses connections is asked again; None: all.
        transport: what carries requests, in place of the network.

    Raises:
        ConfigError: the address or the key cannot be one, or another argument is of another type or out of range.
    """

    @checks_types(but=("key",))
    def __init__(
        self,
        url: str = connection.DEFAULT_URL,
        *,
        key: str = "",
        timeout_s: float = 60.0,
        connect_timeout_s: float | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        check_seconds("timeout_s", timeout_s)
        if connect_timeout_s is not None:
            check_seconds("connect_timeout_s", connect_timeout_s, may_be_zero=True)
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._client = httpx.Client(
            base_url=connection.opened_address(url), headers=calls.headers_of(key), transport=transport
        )
        self._encoder_names: dict[str | None, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @overload
    def retrieve(self, questions: str, *, k: int = 10, **options: Unpack[SearchOptions]) -> list[Hit]: ...

    @overload
    def retrieve(self, questions: Questions, *, k: int = 10, **options: Unpack[SearchOptions]) -> list[list[Hit]]: ...

    def retrieve(
        self, questions: str | Questions, *, k: int = 10, **options: Unpack[SearchOptions]
    ) -> list[Hit] | list[list[Hit]]:
        """Return at most ``k`` hits for a question, best first, or for each question of a list.

        Raises:
            RequestError: an argument is of another type.
            ServerError: the server refuses, is full, fails, or cannot be reached in time; see `dpr.errors`.
        """
        response, _ = self._json(calls.retrieve_call(questions, k, options))
        batch = [wire.hits_of(result) for result in response["results"]]
        return batch[0] if isinstance(questions, str) else batch

    @overload
    def answer(self, questions: str, *, k: int = 10, n_best: int = 1, **options: Unpack[SearchOptions]) -> Answered: ...

    @overload
    def answer(
        self, questions: Questions, *, k: int = 10, n_best: int = 1, **options: Unpack[SearchOptions]
    ) -> list[Answered]: ...

    def answer(
        self, questions: str | Questions, *, k: int = 10, n_best: int = 1, **options: Unpack[SearchOptions]
    ) -> Answered | list[Answered]:
        """Return the answer to a question, or to each; one of several that failed alone has its ``error``.

        Raises:
            RequestError, ServerError: as for ``retrieve``.
        """
        response, request_id = self._json(calls.query_call(questions, k, n_best, options))
        answered = wire.all_answered(response, request_id)
        return answered[0] if isinstance(questions, str) else answered

    def stream(
        self, questions: str | Questions, *, k: int = 10, n_best: int = 1, **options: Unpack[SearchOptions]
    ) -> Iterator[AnswerPiece]:
        """Yield the passages of all questions, a generator's text as it is written, and the answer to each question.

        Raises:
            RequestError, ServerError: as for ``retrieve``; or the stream ends early.
        """
        call = calls.query_call(questions, k, n_best, options, stream=True)
        with self._response(call) as (response, attempt):
            events, reader = EventParser(), wire.StreamReader(connection.request_id_of(response))
            for chunk in self._chunks(response, attempt):
                yield from reader.pieces(events.feed(chunk))
            if not reader.is_done:
                raise connection.ended_early(response)

    def explain(
        self,
        question: str,
        passage_id: str | None = None,
        *,
        rank: int | None = None,
        **options: Unpack[SearchOptions],
    ) -> Explanation:
        """Return why a passage has its rank; without an id and a rank, the first hit.

        Raises:
            RequestError, ServerError: as for ``retrieve``.
        """
        return wire.explanation_of(self._json(calls.explain_call(question, passage_id, rank, options))[0])

    def embed(self, texts: Sequence[str], *, as_passages: bool = False, index: str | None = None) -> FloatArray:
        """Return the vectors of texts as questions, or as passages, (N, D).

        Raises:
            RequestError, ServerError: as for ``retrieve``.
        """
        calls.check_embedding(texts, as_passages, index)
        if index not in self._encoder_names:
            listed = self._json(Call("/v1/indexes"))[0]["indexes"]
            self._encoder_names[index] = wire.encoder_name(listed, index)
        call = calls.embed_call(texts, self._encoder_names[index], as_passages, index)
        return wire.vectors_of(self._json(call)[0])

    def info(self) -> dict[str, Any]:
        """Return what the server serves, as ``/v1/info`` says it.

        Raises:
            ServerError: as for ``retrieve``.
        """
        return dict(self._json(Call("/v1/info"))[0])

    def _json(self, call: Call) -> tuple[Any, str]:
        with self._response(call) as (response, attempt):
            body = connection.body_of(response, b"".join(self._chunks(response, attempt)))
            wire.warn_of_missing(body)
            return body, connection.request_id_of(response)

    def _chunks(self, response: httpx.Response, attempt: connection.Attempt) -> Iterator[bytes]:
        try:
            for chunk in response.iter_bytes():
                attempt.check()
                yield chunk
        except httpx.HTTPError as error:
            raise connection.unreachable(error, self._client.base_url) from error

    @contextmanager
    def _response(self, call: Call) -> Iterator[tuple[httpx.Response, connection.Attempt]]:
        """Send a request until it is answered with a success, within the time of a call."""
        patience = Patience.from_timeouts(self._timeout_s, self._connect_timeout_s, time.monotonic())
        while True:
            attempt = connection.Attempt(patience.deadline, self._timeout_s)
            try:
                response = self._client.send(attempt.request(self._client, call), stream=True)
            except httpx.HTTPError as error:
                failure, retry_after = connection.unreachable(error, self._client.base_url), ""
                if not isinstance(error, httpx.ConnectError):
                    raise failure from error
            else:
                if response.is_success:
                    try:
                        yield response, attempt
                    finally:
                        response.close()
                    return
                body = b"".join(self._chunks(response, attempt))
                failure, retry_after = connection.refusal(response, body), response.headers.get("retry-after", "")
            time.sleep(patience.pause_s(failure, retry_after, time.monotonic()))
