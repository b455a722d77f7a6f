"""A value that is created once, at its first use, by whichever thread needs it first."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakMethod

Value = TypeVar("Value")


class Lazy(Generic[Value]):
    """Call it for the value; if ``make`` raises, the next call tries again.

    An object with a `Lazy` of its own method would be its own owner: it would be freed, and its files closed, only when
    the garbage collector finds it. Give it a free function; or ``weakly(method)``, if the object lends it to nobody.
    """

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


def weakly(method: Callable[..., Value], *arguments: Any) -> Callable[[], Value]:
    """Return a call of a method that does not keep the method's object alive.

    Raises:
        ReferenceError: the object was gone when it was called.
    """
    reference = WeakMethod(method)

    def call() -> Value:
        alive = reference()
        if alive is None:
            raise ReferenceError("the object whose method makes this value is gone")
        value: Value = alive(*arguments)
        return value

    return call
