"""When Python's garbage collector looks at what: not at models and libraries, but at generations that were replaced."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

LET_GO_S = 20.0
"""Seconds between two looks for replaced generations; a collection takes half a second, in which nobody is answered."""


def keep_objects() -> None:
    """Let the garbage collector pass over the objects there are, which stay: half a million, of models and libraries.

    To look at all of them takes half a second, in which no request is answered.
    """
    gc.collect()
    gc.freeze()


async def let_go(replaced: Callable[[], int], interval_s: float = LET_GO_S) -> None:
    """Free the generations that were replaced, again and again, until it is cancelled.

    The parts of a generation refer to each other, and the one that answered when the server became ready is among the
    objects that the collector passes over. What is not freed keeps its files open, and so their room on the disk.

    Args:
        replaced: returns how many generations were replaced so far.
        interval_s: seconds between two looks.
    """
    before = 0
    while True:
        await asyncio.sleep(interval_s)
        if (now := replaced()) != before:
            before = now
            gc.unfreeze()
            keep_objects()
