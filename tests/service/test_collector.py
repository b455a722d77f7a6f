"""A generation that was replaced is freed, also the one that answered when the server became ready."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from service.collector import keep_objects, let_go


class Generation:
    """One whose parts refer to each other."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


async def look(replaced: int) -> None:
    letting_go = asyncio.create_task(let_go(lambda: replaced, interval_s=0))
    for _ in range(4):
        await asyncio.sleep(0)
    letting_go.cancel()


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_replaced_generation_is_freed(is_kept: bool) -> None:
    generation = Generation()
    freed = weakref.ref(generation)
    if is_kept:
        keep_objects()
    del generation
    asyncio.run(look(replaced=0))
    assert freed() is not None
    asyncio.run(look(replaced=1))
    assert freed() is None
    assert gc.get_freeze_count() > 0
