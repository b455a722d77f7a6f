"""This machine's models compute for one thread at a time, whoever asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dpr.pipeline import QA
from dpr.search.open import open_index
from dpr.types import Candidates, FloatArray, Reader, Reading
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index


class OneAtATime:
    """Fails where two threads are inside."""

    def __init__(self) -> None:
        self._is_used = threading.Lock()

    def __enter__(self) -> None:
        assert self._is_used.acquire(blocking=False), "two threads compute at once"
        time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        self._is_used.release()


class CarefulEncoder(HashEncoder):
    def __init__(self, machine: OneAtATime) -> None:
        super().__init__()
        self._machine = machine

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        with self._machine:
            return super().encode_questions(questions)


class CarefulReader:
    name = "careful"

    def __init__(self, machine: OneAtATime) -> None:
        self._machine = machine

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        with self._machine:
            return [Reading(text=item.passages[0].id) for item in batch]


class WaitingGenerator:
    """Waits until two threads wait, and then lets the fallback answer."""

    name = "waiting"
    fallback: Reader | None = None

    def __init__(self) -> None:
        self._together = threading.Barrier(2)

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        self._together.wait(timeout=10)
        assert self.fallback is not None
        return self.fallback.read(batch, n_best)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("generator", [None, WaitingGenerator()])
def test_retrieving_and_reading_wait_for_each_other_and_generators_do_not(
    tmp_path: Path, generator: WaitingGenerator | None
) -> None:
    small_index(tmp_path / "index")
    machine = OneAtATime()
    index = open_index(tmp_path / "index", encoder=CarefulEncoder(machine), analyzer=WordAnalyzer())
    qa = QA(index, CarefulReader(machine), generator)

    def first_passage(question: str) -> str:
        return qa.answer(question).reading.text

    questions = ["capital of France", "capital of Italy"] * 4
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(first_passage, questions)) == ["paris", "rome"] * 4
