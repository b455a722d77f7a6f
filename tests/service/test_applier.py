"""What applies accepted documents goes on, whatever happens to it, and takes no more at a time than fits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from dpr.types import FloatArray, Passage, Progress, no_progress
from service.errors import NotReadyError
from service.indexes import ServedIndex
from service.jobs import inbox as inbox_module
from service.jobs.applier import Applier
from service.jobs.document import put_change
from service.jobs.encoder import lent
from service.jobs.inbox import Inbox
from tests.fakes import HashEncoder

PATIENCE_S = 20.0


class FullInbox(Inbox):
    """One on a disk that is full at first: nothing can be written, not even that."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.looks = 0
        self.has_gone_on = threading.Event()

    def take(self) -> int | None:
        """Fail twice."""
        self.looks += 1
        if self.looks < 3:
            raise OSError(28, "No space left on device")
        self.has_gone_on.set()
        return None

    def report(self, **_: Any) -> None:
        """Fail."""
        raise OSError(28, "No space left on device")


@pytest.fixture
def applier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Applier]:
    def load() -> Any:
        raise NotReadyError("nothing is loaded here")

    monkeypatch.setattr("service.jobs.applier.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("service.jobs.applier.MAX_WAIT_S", 0.01)
    applier = Applier(FullInbox(tmp_path), ServedIndex("default", load, tmp_path), 3)
    yield applier
    applier.stop()
    applier.join(PATIENCE_S)


def test_a_full_disk_does_not_end_the_applying(applier: Applier) -> None:
    applier.start()
    assert isinstance(applier.inbox, FullInbox)
    assert applier.inbox.has_gone_on.wait(PATIENCE_S)


def test_a_batch_has_a_limit_on_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_BATCH_BYTES", 2_500)
    inbox = Inbox(tmp_path)
    jobs = [inbox.accept("put", [put_change(f"d{number}", "", "a" * 1_000)]).id for number in range(3)]
    large = inbox.accept("put", [put_change("large", "", "a" * 5_000)]).id
    first = inbox.begin(inbox.queued())
    assert first.jobs == (jobs[0], jobs[1])
    assert inbox.begin([large, jobs[2]]).jobs == (large,)


def test_ids_sort_after_those_of_a_process_whose_clock_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = time.time_ns()
    monkeypatch.setattr("service.jobs.job.time.time_ns", lambda: now_ns + 3_600_000_000_000)
    before = Inbox(tmp_path).accept("put", [put_change("a", "", "it is put")])
    monkeypatch.setattr("service.jobs.job.time.time_ns", lambda: now_ns)
    inbox = Inbox(tmp_path)
    after = inbox.accept("put", [put_change("a", "", "it is put again")])
    assert inbox.queued() == [before.id, after.id]


def test_an_encoder_that_is_lent_gives_way_to_questions_after_a_few_tokens() -> None:
    class Counting(HashEncoder):
        counts: ClassVar[list[int]] = []

        def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
            self.counts.append(len(passages))
            return super().encode_passages(passages, progress)

    texts = ["word " * 400] * 5 + ["word"] * 20 + ["word " * 4_000]
    passages = [Passage(str(number), text) for number, text in enumerate(texts)]
    encoder = Counting()
    vectors = lent(encoder, nullcontext()).encode_passages(passages)
    assert Counting.counts == [16, 6, 2, 1, 1]
    np.testing.assert_array_equal(vectors, HashEncoder().encode_passages(passages))
