"""Pieces, turns and drops: what the scheduler computes, and in which order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from service.pieces import Job
from service.scheduler import Scheduler
from service.work import Operation, PieceFacts, Step, Steps, one_piece, text_tokens

PATIENCE_S = 10.0


class Recorder:
    """An operation that squares numbers, each of ten tokens, and records its pieces; the first waits for the gate."""

    def __init__(self, key: str | None = "square") -> None:
        self.pieces: list[list[int]] = []
        self.gate = threading.Event()
        self.arrived = threading.Event()
        self.operation = Operation("square", self.compute, lambda _number: 10, key)

    def compute(self, numbers: Sequence[int]) -> list[int]:
        self.pieces.append(list(numbers))
        self.arrived.set()
        assert self.gate.wait(PATIENCE_S)
        if 13 in numbers:
            raise ValueError("thirteen")
        return [number**2 for number in numbers]

    def steps(self, *numbers: int) -> Steps[list[int]]:
        outputs: Sequence[int] = yield Step(self.operation, numbers)
        return list(outputs)


@contextmanager
def scheduling(**given: Any) -> Iterator[Scheduler]:
    scheduler = Scheduler(**given)
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.stop()
        assert scheduler.join(PATIENCE_S)


def submit(scheduler: Scheduler, steps: Steps[Any]) -> tuple[Job, Future[Any]]:
    future: Future[Any] = Future()

    def finish(result: Any, error: BaseException | None) -> None:
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    return scheduler.submit(steps, finish), future


def blocked(scheduler: Scheduler, recorder: Recorder) -> Future[Any]:
    """Submit a first job, and wait until its piece is being computed: what comes now queues behind it."""
    future = submit(scheduler, recorder.steps(1))[1]
    assert recorder.arrived.wait(PATIENCE_S)
    return future


def results(*futures: Future[Any]) -> list[Any]:
    return [future.result(PATIENCE_S) for future in futures]


def test_requests_that_come_together_are_computed_together() -> None:
    recorder = Recorder()
    with scheduling() as scheduler:
        first = blocked(scheduler, recorder)
        others = [submit(scheduler, recorder.steps(number))[1] for number in (2, 3, 4)]
        recorder.gate.set()
        assert results(first, *others) == [[1], [4], [9], [16]]
    assert recorder.pieces == [[1], [2, 3, 4]]


@pytest.mark.parametrize(("merges", "key"), [(False, "square"), (True, None)])
def test_each_is_computed_alone_where_merging_is_off(merges: bool, key: str | None) -> None:
    recorder = Recorder(key)
    with scheduling(merges=merges) as scheduler:
        first = blocked(scheduler, recorder)
        other_key = [Recorder(key) for _ in range(2)]
        for other in other_key:
            other.gate.set()
        others = [submit(scheduler, other.steps(2, 3))[1] for other in other_key]
        recorder.gate.set()
        assert results(first, *others) == [[1], [4, 9], [4, 9]]
    assert [other.pieces for other in other_key] == [[[2, 3]], [[2, 3]]]


def test_a_large_request_gives_way_to_others_after_each_piece() -> None:
    large, small, order = Recorder("large"), Recorder("small"), list[str]()
    small.gate.set()
    with scheduling(piece_tokens=30, observe=lambda facts: order.append(facts.operation)) as scheduler:
        large.operation = Operation("large", large.compute, lambda _number: 10, "large")
        first = submit(scheduler, large.steps(*range(14, 26)))[1]
        assert large.arrived.wait(PATIENCE_S)
        second = submit(scheduler, small.steps(5))[1]
        large.gate.set()
        assert results(first, second) == [[number**2 for number in range(14, 26)], [25]]
    assert [len(piece) for piece in large.pieces] == [3, 3, 3, 3]
    assert order == ["large", "square", "large", "large", "large"]


def test_requests_share_a_piece_in_turn() -> None:
    recorder = Recorder()
    with scheduling(piece_tokens=60) as scheduler:
        first = blocked(scheduler, recorder)
        large = submit(scheduler, recorder.steps(*range(20, 30)))[1]
        small = submit(scheduler, recorder.steps(2, 3))[1]
        recorder.gate.set()
        results(first, large, small)
    assert recorder.pieces == [[1], [20, 21, 22, 23, 2, 3], [24, 25, 26, 27, 28, 29]]


def test_equal_requests_end_one_after_the_other() -> None:
    recorder, order = Recorder(), list[int]()
    with scheduling(piece_tokens=40) as scheduler:
        first = blocked(scheduler, recorder)
        batches = [range(start, start + 6) for start in (20, 30, 40)]
        futures = [submit(scheduler, recorder.steps(*batch))[1] for batch in batches]
        for future in futures:
            future.add_done_callback(lambda ended: order.append(futures.index(ended)))
        recorder.gate.set()
        assert results(first, *futures) == [[1], *([number**2 for number in batch] for batch in batches)]
    assert recorder.pieces[1:] == [[20, 21, 22, 23], [24, 25, 30, 31], [32, 33, 34, 35], [40, 41, 42, 43], [44, 45]]
    assert order == [0, 1, 2]


def test_small_requests_do_not_stop_an_old_large_one() -> None:
    recorder = Recorder()
    with scheduling(piece_tokens=30) as scheduler:
        first = blocked(scheduler, recorder)
        large = submit(scheduler, recorder.steps(*range(20, 25)))[1]
        small = [submit(scheduler, recorder.steps(number))[1] for number in range(2, 10)]
        recorder.gate.set()
        results(first, large, *small)
    assert recorder.pieces[1:] == [[20, 2, 3], [21, 4, 5], [22, 6, 7], [23, 24, 8], [9]]


def test_operations_take_turns() -> None:
    recorder, other, order = Recorder(), Recorder("cube"), list[str]()
    other.operation = Operation("cube", other.compute, lambda _number: 10, "cube")
    other.gate.set()
    with scheduling(piece_tokens=20, observe=lambda facts: order.append(facts.operation)) as scheduler:
        first = blocked(scheduler, recorder)
        futures = [submit(scheduler, recorder.steps(2, 3, 4))[1] for _ in range(2)]
        futures += [submit(scheduler, other.steps(2, 3, 4))[1]]
        recorder.gate.set()
        results(first, *futures)
    assert order == ["square", "square", "cube", "square", "cube", "square"]


def test_pieces_are_as_large_as_the_machine_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    sizes = list[int]()

    def compute(numbers: Sequence[int]) -> Sequence[int]:
        nonlocal clock
        clock += len(numbers) * 0.02  # 100 tokens in 20 ms
        sizes.append(len(numbers))
        return numbers

    def steps(pace: str) -> Steps[None]:
        yield Step(Operation("slow", compute, lambda _number: 100, pace=pace), range(20))

    monkeypatch.setattr("service.scheduler.time.perf_counter", lambda: clock)
    with scheduling() as scheduler:
        results(submit(scheduler, steps("one"))[1])
        results(submit(scheduler, steps("two"))[1])
    assert sizes == 2 * [2, 5, 5, 5, 3]


def test_an_item_over_the_budget_is_a_piece_of_its_own() -> None:
    recorder = Recorder()
    recorder.gate.set()
    with scheduling(piece_tokens=5) as scheduler:
        assert results(submit(scheduler, recorder.steps(1, 2))[1]) == [[1, 4]]
    assert recorder.pieces == [[1], [2]]


def test_the_failure_of_one_request_is_not_that_of_those_in_its_piece() -> None:
    recorder = Recorder()
    with scheduling() as scheduler:
        first = blocked(scheduler, recorder)
        good, bad = submit(scheduler, recorder.steps(2))[1], submit(scheduler, recorder.steps(13))[1]
        recorder.gate.set()
        assert results(first, good) == [[1], [4]]
        with pytest.raises(ValueError, match="thirteen"):
            bad.result(PATIENCE_S)


def test_an_error_of_the_steps_themselves_is_told() -> None:
    def failing() -> Steps[None]:
        yield Step(recorder.operation, [2])
        raise ZeroDivisionError

    recorder = Recorder()
    recorder.gate.set()
    with scheduling() as scheduler:
        with pytest.raises(ZeroDivisionError):
            submit(scheduler, failing())[1].result(PATIENCE_S)
        assert results(submit(scheduler, recorder.steps(3))[1]) == [[9]]


def test_a_panic_ends_its_request_and_not_the_computing() -> None:
    class PanicError(BaseException):
        """As tokenizers raises it: no Exception."""

    def compute(_items: Sequence[int]) -> list[int]:
        raise PanicError("index out of bounds")

    def panic() -> Steps[object]:
        return (yield Step(Operation("panic", compute, lambda _item: 1), [1]))

    with scheduling() as scheduler:
        with pytest.raises(RuntimeError, match="the operation panic panicked: index out of bounds"):
            submit(scheduler, panic())[1].result(PATIENCE_S)
        assert submit(scheduler, one_piece(lambda: 5))[1].result(PATIENCE_S) == 5


def test_an_operation_that_loses_items_is_refused() -> None:
    def steps() -> Steps[None]:
        yield Step(Operation("lossy", lambda _items: [], lambda _item: 1), [1])

    with scheduling() as scheduler, pytest.raises(RuntimeError, match="0 outputs for 1 items"):
        submit(scheduler, steps())[1].result(PATIENCE_S)


def test_a_step_without_items_is_passed_over() -> None:
    def steps() -> Steps[list[int]]:
        outputs = yield Step(recorder.operation, [])
        return list(outputs)

    recorder = Recorder()
    with scheduling() as scheduler:
        assert results(submit(scheduler, steps())[1]) == [[]]
    assert recorder.pieces == []


def test_a_dropped_request_is_not_computed() -> None:
    recorder, closed = Recorder(), threading.Event()

    def steps() -> Steps[None]:
        try:
            yield Step(recorder.operation, [2])
        finally:
            closed.set()

    with scheduling() as scheduler:
        first = blocked(scheduler, recorder)
        job, future = submit(scheduler, steps())
        job.drop()
        assert future.result(PATIENCE_S) is None  # at once, while the first piece is being computed
        job.drop()
        recorder.gate.set()
        results(first)
    assert recorder.pieces == [[1]]


def test_a_request_dropped_in_its_piece_ends_after_it() -> None:
    recorder = Recorder()
    with scheduling(piece_tokens=10) as scheduler:
        job, future = submit(scheduler, recorder.steps(1, 2, 3))
        assert recorder.arrived.wait(PATIENCE_S)
        job.drop()
        assert not future.done()
        recorder.gate.set()
        assert future.result(PATIENCE_S) is None
    assert recorder.pieces == [[1]]


def test_waiting_for_another_machine_keeps_nobody_from_computing() -> None:
    answered, recorder, threads = threading.Event(), Recorder(), list[str]()
    recorder.gate.set()

    def ask(_items: Sequence[str]) -> list[str]:
        assert answered.wait(PATIENCE_S)
        return ["answer"]

    def steps() -> Steps[str]:
        outputs = yield Step(Operation("generate", ask, lambda _item: 1, waits=True), ["question"])
        threads.append(threading.current_thread().name)
        return str(outputs[0])

    with scheduling() as scheduler:
        waiting = submit(scheduler, steps())[1]
        assert results(submit(scheduler, recorder.steps(3))[1]) == [[9]]
        assert not waiting.done()
        answered.set()
        assert results(waiting) == ["answer"]
    assert threads == ["compute"]


def test_stopping_drops_what_waits() -> None:
    recorder = Recorder()
    with scheduling() as scheduler:
        first = blocked(scheduler, recorder)
        waiting = submit(scheduler, recorder.steps(2))[1]
        scheduler.stop()
        assert waiting.result(PATIENCE_S) is None
        assert not scheduler.join(0.01)
        recorder.gate.set()
        assert first.result(PATIENCE_S) == [1]


def test_what_observes_may_fail() -> None:
    def failing(_facts: PieceFacts) -> None:
        raise ZeroDivisionError

    recorder = Recorder()
    recorder.gate.set()
    with scheduling(observe=failing) as scheduler:
        assert results(*(submit(scheduler, recorder.steps(3))[1] for _ in range(2))) == [[9], [9]]


def test_a_function_is_one_piece() -> None:
    facts = list[PieceFacts]()
    with scheduling(observe=facts.append) as scheduler:
        assert results(submit(scheduler, one_piece(lambda: "done"))[1]) == ["done"]
    assert [(fact.operation, fact.requests, fact.items, fact.tokens) for fact in facts] == [("function", 1, 1, 1)]


@pytest.mark.parametrize(("text", "least", "most"), [("", 1, 1), ("who created hangul", 3, 6), ("한글은 누가", 3, 8)])
def test_tokens_are_estimated(text: str, least: int, most: int) -> None:
    assert least <= text_tokens(text) <= most


def test_a_surrogate_has_tokens_too() -> None:
    estimate: Callable[[str], int] = text_tokens
    assert estimate("\ud800") == 1
