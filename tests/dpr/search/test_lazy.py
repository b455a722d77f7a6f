from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from dpr.search.lazy import Lazy


def test_many_threads_make_it_once() -> None:
    made: list[object] = []
    barrier = Barrier(8)

    def make() -> object:
        made.append(object())
        return made[-1]

    lazy = Lazy(make)

    def ask(_: int) -> object:
        barrier.wait()
        return lazy()

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(ask, range(8)))
    assert len(made) == 1
    assert set(map(id, values)) == {id(made[0])}


def test_nothing_is_made_before_it_is_asked_for() -> None:
    Lazy(lambda: pytest.fail("made without being asked for"))


def test_none_is_made_once_too() -> None:
    made: list[None] = []
    lazy = Lazy(lambda: made.append(None))
    lazy()
    lazy()
    assert len(made) == 1


def test_a_maker_that_raised_is_tried_again() -> None:
    attempts = iter([ValueError("offline"), None])

    def make() -> str:
        if error := next(attempts):
            raise error
        return "loaded"

    lazy = Lazy(make)
    with pytest.raises(ValueError, match="offline"):
        lazy()
    assert lazy() == "loaded"
