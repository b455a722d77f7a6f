"""Read the server-sent events of a chat completion: from bytes to pieces of text.

Each event of the chat completions protocol is one line ``data: {…}``, and the last is ``data: [DONE]``. Lines end only
at a line feed, not at the other line separators of Python, which JSON may contain
(https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_LINE_BYTES = 1024 * 1024
MAX_REPLY_CHARACTERS = 20_000

_END = b"[DONE]"
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class BrokenStreamError(Exception):
    """A stream is no complete chat completion; the message continues a sentence that names the server."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a reply; ``finish`` is the reason if the reply ends with it (``stop``, ``length``), else empty."""

    text: str
    finish: str = ""


def read_events(chunks: Iterable[bytes]) -> Iterator[Delta]:
    """Yield the pieces of a reply as their bytes arrive, with whole characters.

    Control characters and halves of surrogate pairs are dropped. A complete stream gives a reason for its end, or ends
    with ``[DONE]``.

    Raises:
        BrokenStreamError: the stream is incomplete, reports an error, has an event that is no chat completion, or is
            too long.
    """
    is_finished, characters = False, 0
    for line in _lines(chunks):
        if not line.startswith(b"data:"):
            continue
        data = line.removeprefix(b"data:").strip()
        if data == _END:
            return
        delta = _delta(data)
        characters += len(delta.text)
        if characters > MAX_REPLY_CHARACTERS:
            raise BrokenStreamError(f"wrote more than {MAX_REPLY_CHARACTERS:,} characters; ask for a shorter reply")
        is_finished = is_finished or bool(delta.finish)
        if delta.text or delta.finish:
            yield delta
    if not is_finished:
        raise BrokenStreamError("broke off its reply; ask again, or check its log")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    incomplete = b""
    for chunk in chunks:
        *lines, incomplete = (incomplete + chunk).split(b"\n")
        yield from lines
        if len(incomplete) > MAX_LINE_BYTES:
            raise BrokenStreamError(f"sent a line of more than {MAX_LINE_BYTES:,} bytes; check its address")


def _delta(data: bytes) -> Delta:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise BrokenStreamError("sent an event that is not JSON; check its address, or its log") from None
    if not isinstance(event, dict):
        raise BrokenStreamError("sent an event that is no chat completion; check its address")
    if event.get("error"):
        raise BrokenStreamError("reported an error within its reply; check its log")
    match event.get("choices"):
        case [{"delta": {"content": str(text)}} as choice, *_]:
            return Delta(_NOT_TEXT.sub("", text), _finish(choice))
        case [dict(choice), *_]:
            return Delta("", _finish(choice))
        case _:
            return Delta("")


def _finish(choice: dict[str, Any]) -> str:
    return str(choice.get("finish_reason") or "")
