"""The work of a request, cut into steps: what the scheduler computes piece by piece, together with others' work.

A route's work is a generator. It yields a `Step`, is sent the outputs of the step's items in their order, and returns
the result:

    def work(qa: QA) -> Steps[str]:
        batch = yield Step(search, questions)
        return render(batch)

Between two steps it does next to nothing: what takes time is an item of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Output = TypeVar("Output")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Operation(Generic[Item, Output]):
    """A computation over a batch of items.

    Attributes:
        name: what it is, in logs and metrics: ``search``, ``read``.
        compute: returns one output for each item; an output does not depend on the other items.
        tokens: about how many tokens a model reads for an item.
        key: items of operations with one key may be computed together; None: with those of no other step.
        waits: it waits for another machine, in a thread of its own, rather than computes.
        pace: operations of one name and one pace take as long for a token.
    """

    name: str
    compute: Callable[[Sequence[Item]], Sequence[Output]]
    tokens: Callable[[Item], int]
    key: Hashable = None
    waits: bool = False
    pace: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Items for an operation; they may be computed in several pieces, and beside the items of other requests."""

    operation: Operation[Any, Any]
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class PieceFacts:
    """What one piece was: its operation's name, how many requests, items and tokens it had, how long it took."""

    operation: str
    requests: int
    items: int
    tokens: int
    seconds: float


Steps = Generator[Step, Sequence[Any], Result]
"""Work in steps: yields each step, is sent its outputs, returns the result."""


def one_piece(function: Callable[[], Result], waits: bool = False) -> Steps[Result]:
    """Return as steps a function that is one piece of work; ``waits``: see `Operation`."""
    outputs = yield Step(Operation("function", lambda _items: [function()], lambda _item: 1, waits=waits), [None])
    result: Result = outputs[0]
    return result


def text_tokens(text: str) -> int:
    """Return about how many tokens a text has: a token of English has four bytes, one of Korean has five."""
    return len(text.encode("utf-8", "replace")) // 4 + 1
