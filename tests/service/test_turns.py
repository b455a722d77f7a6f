"""What is computed here is computed one at a time, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

from dpr.types import Candidates, Reading
from service.turns import TurnQA, TurnReader
from tests.service.fakes import PASSAGES, FakeReader, fake_qa

ITEM = Candidates("who?", PASSAGES, (1.0,) * len(PASSAGES))


def test_a_reader_keeps_its_name_and_its_answers() -> None:
    reader = FakeReader()
    turns = TurnReader(reader, Lock())
    assert turns.name == reader.name
    assert turns.read([ITEM], n_best=2) == reader.read([ITEM], n_best=2)


def test_reading_and_retrieving_wait_for_each_other() -> None:
    turn = Lock()
    reader = TurnReader(FakeReader(lambda: busy.append(turn.locked())), turn)
    qa = TurnQA(fake_qa().index, reader, turn)
    busy: list[bool] = []

    def answer(_: int) -> Sequence[Reading]:
        return [answered.reading for answered in qa.answer(["hangul", "river"], "bm25")]

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(answer, range(8)))
    assert all(result == results[0] for result in results)
    assert busy == [True] * 8
    with turn, ThreadPoolExecutor(2) as threads:
        retrieving, reading = threads.submit(qa.retrieve, ["hangul"], "bm25"), threads.submit(reader.read, [ITEM])
        waiting: list[Future[Any]] = [retrieving, reading]
        assert not any(future.done() for future in waiting)
        turn.release()
        assert all(future.result(timeout=5) for future in waiting)
        turn.acquire()
