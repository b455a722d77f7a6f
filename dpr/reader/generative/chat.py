"""A client of a chat model over HTTP: it streams replies and reports every failure in bounded time in one sentence.

It uses the chat completions protocol (``POST {url}/chat/completions`` with ``stream``) of hosted models and of servers
such as vLLM, llama.cpp and Ollama. The key is sent in one header and appears nowhere else.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

import httpx

from dpr.errors import ConfigError, GeneratorError, GeneratorTimeoutError
from dpr.reader.generative.deadline import Deadline
from dpr.reader.generative.outgoing import OUTGOING_HEADERS
from dpr.reader.generative.prompt import Message
from dpr.reader.generative.sse import BrokenStreamError, Delta, read_events

logger = logging.getLogger(__name__)

PATH = "/chat/completions"
EXAMPLE_URL = "http://127.0.0.1:8080/v1"

MAX_ATTEMPTS = 3
FIRST_WAIT_S = 0.5
REMAINDER_S = 0.1
SHOWN_BODY_CHARACTERS = 200
LARGEST_PORT = 65_535

OPTIONS: Mapping[str, object] = {"temperature": 0, "max_tokens": 512}
"""Options of a request: the likeliest words, and a limit of their number."""

REFUSALS: Mapping[int, str] = {
    400: "rejects the request; check that its model is a chat model with room for the prompt",
    401: "refuses the key; set DPR_GENERATOR_KEY to a valid key",
    403: "refuses the key; set DPR_GENERATOR_KEY to a key that may use the model",
    404: "has no such path or model; correct its address (it usually ends in /v1) or the model's name",
    429: "gets too many requests; ask again later, or raise its limit",
}
"""The meaning of each status, with the remedy; other statuses are failures of the server."""

RETRIED = frozenset({429, 503})
_SECRET = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of a request, in seconds from its start: for the connection, the first text, and the end."""

    connect_s: float = 5.0
    first_text_s: float = 20.0
    total_s: float = 30.0

    @classmethod
    def from_total(cls, total_s: float) -> Timeouts:
        """Return the timeouts for a total: two thirds of it for the first text, and at most 5 s to connect."""
        return cls(min(5.0, total_s), total_s * 2 / 3, total_s)


class ChatClient:
    """A client of one model of one server; several threads may use it at once.

    Args:
        url: the address before ``/chat/completions``, such as ``http://127.0.0.1:8080/v1``.
        model: the model's name on the server.
        key: sent as a bearer token; empty for a server without keys.
        timeouts: the timeouts of a request with its retries.

    Raises:
        ConfigError: the address is no HTTP address, or the key cannot be sent in a header.
    """

    def __init__(self, url: str, model: str, key: str = "", timeouts: Timeouts | None = None) -> None:
        self.model = model
        self.timeouts = timeouts or Timeouts()
        self._endpoint = _endpoint(url)
        self.address = _without_secrets(self._endpoint)
        self._key = key.strip()
        self._client = httpx.Client(headers=_headers(self._key), verify=_certificates())

    def __call__(self, messages: Sequence[Message]) -> Iterator[Delta]:
        """Yield the pieces of the model's reply as they arrive.

        A request with the status 429 or 503 is sent again at most twice, at the time that the server states or after a
        short wait, if that leaves time for the reply.

        Raises:
            GeneratorTimeoutError: the connection, the first text or the end is late.
            GeneratorError: the server cannot be reached, refuses, fails, or sends an incomplete reply.
        """
        began = time.monotonic()
        try:
            yield from self._reply(messages, began + self.timeouts.first_text_s, began + self.timeouts.total_s)
        except httpx.ConnectTimeout:
            raise self._late("connect", min(self.timeouts.connect_s, self.timeouts.first_text_s)) from None
        except httpx.ConnectError as error:
            raise self._failed(f"cannot be reached ({error}); start it, or correct its address") from None
        except httpx.TimeoutException:
            raise self._late("begin its reply", self.timeouts.first_text_s) from None
        except httpx.RequestError as error:
            raise self._failed(f"dropped the connection ({type(error).__name__}); ask again") from None
        except BrokenStreamError as error:
            raise self._failed(str(error)) from None

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _reply(self, messages: Sequence[Message], first: float, last: float) -> Iterator[Delta]:
        """Yield the pieces of a reply with the deadlines ``first`` for its first text and ``last`` for its end."""
        body = {**OPTIONS, "model": self.model, "messages": list(messages), "stream": True}
        response = self._send(body, first)
        chunks, is_begun = response.iter_bytes(), False
        with closing(response), Deadline(response) as deadline:
            try:
                deadline.set(first - time.monotonic())
                for delta in read_events(chunks):
                    if delta.text and not is_begun:
                        is_begun = True
                        deadline.set(last - time.monotonic())
                    yield delta
            except (httpx.RequestError, BrokenStreamError) as error:
                if deadline.has_passed and is_begun:
                    raise self._late("end its reply", self.timeouts.total_s) from None
                if is_begun and isinstance(error, httpx.TimeoutException):
                    raise self._late("continue its reply", self.timeouts.first_text_s) from None
                if deadline.has_passed:
                    raise self._late("begin its reply", self.timeouts.first_text_s) from None
                raise
            deadline.set(REMAINDER_S)
            with suppress(httpx.RequestError):  # after a complete response its connection can be used again
                deque(chunks, maxlen=0)

    def _send(self, body: Mapping[str, object], deadline: float) -> httpx.Response:
        """Return a response that streams a reply; its head is read and its body is not."""
        attempt = 0
        while True:
            response = self._post(body, deadline)
            if _is_stream(response):
                return response
            with closing(response):
                wait_s = _wait_s(response.headers.get("retry-after", ""), attempt)
                attempt += 1
                is_late = time.monotonic() + wait_s >= deadline
                if response.status_code not in RETRIED or is_late or attempt == MAX_ATTEMPTS:
                    raise self._refused(response)
            logger.info("the generator %s is busy (HTTP %d): waiting %.1f s", self, response.status_code, wait_s)
            time.sleep(wait_s)

    def _post(self, body: Mapping[str, object], deadline: float) -> httpx.Response:
        left_s = max(deadline - time.monotonic(), 0.001)
        timeout = httpx.Timeout(left_s, connect=min(self.timeouts.connect_s, left_s))
        headers = dict(OUTGOING_HEADERS.get())
        request = self._client.build_request("POST", self._endpoint, json=body, timeout=timeout, headers=headers)
        return self._client.send(request, stream=True)

    def _refused(self, response: httpx.Response) -> GeneratorError:
        status = response.status_code
        if status not in _SECRET:  # a server that refuses a key may repeat it
            logger.warning("the generator %s sent HTTP %d", self, status)
            if logger.isEnabledFor(logging.DEBUG):  # it may repeat the question
                logger.debug("the generator %s sent: %s", self, self._excerpt(response))
        if response.is_success:
            kind = response.headers.get("content-type", "nothing")
            return self._failed(f"sent {kind} instead of a stream of events; correct its address")
        return self._failed(f"{REFUSALS.get(status, 'failed; ask again, or check its log')} (HTTP {status})")

    def _excerpt(self, response: httpx.Response) -> str:
        with suppress(httpx.RequestError):
            body = next(response.iter_bytes(), b"").decode("utf-8", "replace")
            return repr((body.replace(self._key, "…") if self._key else body)[:SHOWN_BODY_CHARACTERS])
        return "an unreadable body"

    def _failed(self, cause: str) -> GeneratorError:
        return GeneratorError(f"the generator {self} {cause}")

    def _late(self, action: str, seconds: float) -> GeneratorTimeoutError:
        sentence = f"the generator {self} did not {action} within {seconds:g} s"
        return GeneratorTimeoutError(f"{sentence}; ask again, or give it more time")

    def __str__(self) -> str:
        return f"{self.model} at {self.address}"


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates to trust, which take long to load."""
    return httpx.create_ssl_context()


def _endpoint(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.strip())
        host = parsed.host.encode("idna")  # as the system looks it up
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConfigError(f"the generator's address is no URL ({error}); give one such as {EXAMPLE_URL}") from None
    if parsed.scheme not in {"http", "https"} or not host:
        raise ConfigError(
            f"the generator's address {_without_secrets(parsed)} is no HTTP address; give one such as {EXAMPLE_URL}"
        )
    if parsed.port is not None and not 0 < parsed.port <= LARGEST_PORT:
        raise ConfigError(f"the generator's address has the port {parsed.port}; give one from 1 to {LARGEST_PORT}")
    return parsed.copy_with(path=parsed.path.rstrip("/").removesuffix(PATH) + PATH)


def _without_secrets(url: httpx.URL) -> str:
    """Return an address without user, query and fragment, which may be secret."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None)).removesuffix(PATH)


def _headers(key: str) -> dict[str, str]:
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError("the generator's key has spaces or other characters that no key has; copy it again")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _is_stream(response: httpx.Response) -> bool:
    """Tell whether a response may be a stream of events: not a page and not a JSON object."""
    kind = response.headers.get("content-type", "")
    return response.is_success and not any(wrong_type in kind for wrong_type in ("json", "html"))


def _wait_s(retry_after: str, attempt: int) -> float:
    """Return the seconds of a ``Retry-After`` header (RFC 9110, 10.2.3), or a short wait without one."""
    with suppress(ValueError):
        return max(0.0, float(retry_after))
    with suppress(ValueError):
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return FIRST_WAIT_S * 2.0**attempt
