"""A value made when it is first asked for, once, whichever thread asks."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Lazy(Generic[Value]):
    """Call it for the value; a maker that raised is tried again at the next call."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._made: tuple[Value] | None = None
        self._lock = Lock()

    def __call__(self) -> Value:
        """Return the value, the same at each call."""
        made = self._made
        if made is None:
            with self._lock:
                made = self._made = self._made or (self._make(),)
        return made[0]
