"""The steps of a build: each step runs once, also over several processes, and its time is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from dpr.store.draft import GenerationDraft
from dpr.store.records import decode

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Result = TypeVar("Result", bound="DataclassInstance")


class Steps:
    """Runs each step of a build unless the journal has it, and measures its wall time in seconds."""

    def __init__(self, draft: GenerationDraft) -> None:
        self.seconds: dict[str, float] = {}
        self._draft = draft

    def __call__(self, name: str, result_type: type[Result], work: Callable[[], Result]) -> Result:
        """Return the result of a step, a dataclass of ``result_type``; its files are on disk then."""
        draft = self._draft
        if name not in draft.journal:
            with self.timed(name):
                result = asdict(work())
            draft.finish(
                name, {"gave": result, "seconds": self.seconds[name]}, draft.segment.folder, draft.files.folder
            )
        self.seconds[name] = draft.journal[name]["seconds"]
        return decode(result_type, draft.journal[name]["gave"])

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure a step that writes its own journal entries."""
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)
