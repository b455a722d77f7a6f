"""A value that is created once, at its first use, by whichever thread needs it first."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Lazy(Generic[Value]):
    """Call it for the value; if ``make`` raises, the next call tries again."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._holder: tuple[Value] | None = None
        self._lock = Lock()

    def __call__(self) -> Value:
        """Return the value, the same at each call."""
        holder = self._holder
        if holder is None:
            with self._lock:
                holder = self._holder = self._holder or (self._make(),)
        return holder[0]
