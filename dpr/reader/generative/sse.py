"""The server-sent events of a chat completion: bytes as they arrive in, pieces of text out.

Events are those of the chat completions protocol: each is one line ``data: {…}``, and the last is ``data: [DONE]``.
Lines end at a line feed alone, not at the other characters that Python takes for line ends: JSON may hold those as
they are (https://html.spec.whatwg.org/multipage/server-sent-events.html).
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
    """A stream is no whole chat completion; the message goes on where a sentence has named the server."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a reply; ``finish`` is why the reply ends with it (``stop``, ``length``), empty where it goes on."""

    text: str
    finish: str = ""


def read_events(chunks: Iterable[bytes]) -> Iterator[Delta]:
    """Yield the pieces of a reply as their bytes arrive, whole characters however the bytes are cut.

    Control characters and halves of surrogate pairs are left out. A stream has ended well if it said why it ends, or
    that it is done.

    Raises:
        BrokenStreamError: the stream ends before the reply does, reports an error, holds what is no event of a chat
            completion, or is far too long.
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
            raise BrokenStreamError(f"wrote more than {MAX_REPLY_CHARACTERS:,} characters; ask it for less")
        is_finished = is_finished or bool(delta.finish)
        if delta.text or delta.finish:
            yield delta
    if not is_finished:
        raise BrokenStreamError("broke off its reply; ask again, or look into its log")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > MAX_LINE_BYTES:
            raise BrokenStreamError(f"sent a line of more than {MAX_LINE_BYTES:,} bytes; check its address")


def _delta(data: bytes) -> Delta:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise BrokenStreamError("sent an event that is not JSON; check its address, or look into its log") from None
    if not isinstance(event, dict):
        raise BrokenStreamError("sent an event that is no part of a chat completion; check its address")
    if event.get("error"):
        raise BrokenStreamError("reported an error within its reply; look into its log")
    match event.get("choices"):
        case [{"delta": {"content": str(text)}} as choice, *_]:
            return Delta(_NOT_TEXT.sub("", text), _finish(choice))
        case [dict(choice), *_]:
            return Delta("", _finish(choice))
        case _:
            return Delta("")


def _finish(choice: dict[str, Any]) -> str:
    return str(choice.get("finish_reason") or "")
