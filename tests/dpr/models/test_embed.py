from __future__ import annotations

import threading

import numpy as np
import pytest

from dpr.models.embed import ahead, embed
from dpr.models.encoder_compute import EncoderCompute, Started
from dpr.models.tokens import Batch


def summing(started: list[int], waited: list[int]) -> EncoderCompute:
    """An encoder whose vector of a text is the sum of its tokens; it notes what was started and waited for."""

    def start(batch: Batch) -> Started:
        number = len(started)
        started.append(number)

        def wait() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
            waited.append(number)
            return batch["input_ids"].sum(1, keepdim=True).float().numpy()

        return wait

    return EncoderCompute(start, batch_tokens=8, dimension=1)


def test_vectors_come_in_the_order_of_the_texts() -> None:
    tokens = [[length] * length for length in (3, 1, 8, 2, 2, 5)]
    seen: list[tuple[str, int, int | None]] = []
    vectors = embed(summing([], []), tokens, 0, lambda *step: seen.append(step))
    assert vectors[:, 0].tolist() == [9, 1, 64, 4, 4, 25]
    assert seen[-1] == ("encode", 6, 6)


def test_a_batch_is_started_before_the_one_before_it_is_waited_for() -> None:
    started: list[int] = []
    waited: list[int] = []
    at_wait: list[int] = []

    class Noting(list[int]):
        def append(self, number: int) -> None:
            at_wait.append(len(started))
            super().append(number)

    waited = Noting()
    embed(summing(started, waited), [[1] * 8] * 4, 0)
    assert waited == [0, 1, 2, 3]
    assert at_wait == [2, 3, 4, 4]


def test_no_texts_are_an_empty_matrix() -> None:
    assert embed(summing([], []), [], 0).shape == (0, 1)


@pytest.mark.parametrize("tokens", [[[], []], [[1, 2], [], [3]]])
def test_texts_without_tokens_are_zeros_and_leave_the_others_alone(tokens: list[list[int]]) -> None:
    seen: list[int] = []
    vectors = embed(summing([], []), tokens, 0, lambda _stage, done, _total: seen.append(done))
    assert vectors[:, 0].tolist() == [sum(item) for item in tokens]
    assert seen[-1:] == ([3] if len(tokens) == 3 else [])


def test_the_next_item_is_worked_on_in_a_thread_while_one_is_used() -> None:
    second_began = threading.Event()

    def square(number: int) -> int:
        if number == 2:
            second_began.set()
        return number * number

    results = ahead(square, iter([1, 2, 3]))
    assert next(results) == 1
    assert second_began.wait(10)
    assert list(results) == [4, 9]


def test_an_error_of_the_thread_reaches_the_caller() -> None:
    results = ahead(lambda number: 1 // number, [1, 0])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
