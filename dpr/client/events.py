"""Bytes of a stream to its events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class EventParser:
    """Takes bytes as they arrive, and gives each event when it is whole. Lines end at a line feed alone."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[tuple[str, Any]]:
        """Yield the name and the value of each event that ends in ``chunk``; comments are left out."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            field, _, value = line.decode("utf-8").rstrip("\r").partition(":")
            if field == "event":
                self._name = value.removeprefix(" ")
            elif field == "data":
                self._data.append(value.removeprefix(" "))
            elif not line.strip() and self._data:
                yield self._name, json.loads("\n".join(self._data))
                self._name, self._data = "", []
