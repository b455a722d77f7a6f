from __future__ import annotations

import numpy as np
import pytest

from dpr.models.tokens import Tokens
from dpr.train.batches import Batch
from dpr.train.swapping import swap_table
from dpr.types import Example, Passage, Question

ADDED = range(100, 400)


def batch_of(name: str) -> Batch:
    passage = Passage(f"p-{name}", "text")
    example = Example(Question(f"q-{name}", "text"), positives=(passage,))
    return Batch((example,), (passage,), (0,), ((1,),), (1,))


@pytest.fixture(scope="module")
def passages() -> list[Tokens]:
    """Thirty texts: piece 120 is in all of them, each other piece in one or two."""
    drawn = np.random.default_rng(0)
    return [[1, 120, *drawn.integers(50, 400, 4).tolist(), 2] for _ in range(30)]


def test_is_an_exchange_of_rare_added_pieces(passages: list[Tokens]) -> None:
    table = swap_table(batch_of("one"), passages, ADDED)
    assert sorted(table.tolist()) == list(range(400))
    assert np.array_equal(table[:100], np.arange(100)), "the base's pieces keep their places"
    assert table[120] == 120, "a piece of every passage does, too"
    assert (table != np.arange(400)).any()


def test_how_many_swap_differs_from_batch_to_batch(passages: list[Tokens]) -> None:
    tables = [swap_table(batch_of(str(number)), passages, ADDED) for number in range(40)]
    shares = [float((table[100:] != np.arange(100, 400)).mean()) for table in tables]
    assert min(shares) < 0.2
    assert max(shares) > 0.8


def test_is_the_same_for_the_same_batch(passages: list[Tokens]) -> None:
    assert np.array_equal(swap_table(batch_of("one"), passages, ADDED), swap_table(batch_of("one"), passages, ADDED))
