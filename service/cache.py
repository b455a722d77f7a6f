"""Results of questions that were asked before, as JSON: bounded in bytes, and never of another generation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from itertools import count
from threading import Lock
from weakref import WeakKeyDictionary

from dpr.pipeline import QA

ENTRY_BYTES = 512
"""About what an entry takes beside its result."""


class ResultCache:
    """The results that were asked for last, up to ``max_bytes``; 0 keeps none. Threads may share it.

    Attributes:
        hits: how many results were in it when they were asked for.
        misses: how many were not.
    """

    def __init__(self, max_bytes: int) -> None:
        self.hits = 0
        self.misses = 0
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._results: OrderedDict[Hashable, bytes] = OrderedDict()
        self._numbers: WeakKeyDictionary[QA, int] = WeakKeyDictionary()
        self._next_number = count()
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        """What the entries take."""
        return self._size_bytes

    def get(self, qa: QA, key: Hashable) -> bytes | None:
        """Return the result that ``qa`` gave for what ``key`` says was asked; None where it is not known."""
        with self._lock:
            full_key = self._number_of(qa), key
            result = self._results.get(full_key)
            if result is None:
                self.misses += 1
                return None
            self.hits += 1
            self._results.move_to_end(full_key)
            return result

    def put(self, qa: QA, key: Hashable, result: bytes) -> None:
        """Keep a result, in place of those that were not asked for the longest."""
        if len(result) + ENTRY_BYTES > self._max_bytes:
            return
        with self._lock:
            full_key = self._number_of(qa), key
            self._forget(self._results.pop(full_key, None))
            self._results[full_key] = result
            self._size_bytes += len(result) + ENTRY_BYTES
            while self._size_bytes > self._max_bytes:
                self._forget(self._results.popitem(last=False)[1])

    def _forget(self, result: bytes | None) -> None:
        if result is not None:
            self._size_bytes -= len(result) + ENTRY_BYTES

    def _number_of(self, qa: QA) -> int:
        """Return a number that no other opened generation has, or has had."""
        if qa not in self._numbers:
            self._numbers[qa] = next(self._next_number)
        return self._numbers[qa]


class Results:
    """The results of one request's questions, as JSON: those of the cache, and those that are to be computed.

    Attributes:
        questions: the questions to compute; ``put`` takes a result by its row among them.
    """

    def __init__(self, cache: ResultCache | None, qa: QA, key: tuple[Hashable, ...], batch: Sequence[str]) -> None:
        """Look the questions up; ``key`` says what else was asked, and without a cache all are to be computed."""
        self._cache = cache
        self._qa = qa
        self._key = key
        self._contents = [cache.get(qa, (*key, question)) if cache else None for question in batch]
        self._rows = [row for row, content in enumerate(self._contents) if content is None]
        self.questions = [batch[row] for row in self._rows]

    def put(self, row: int, content: bytes, is_whole: bool = True) -> None:
        """Take the result of a question of ``questions``; one that lacks something is not kept for others."""
        self._contents[self._rows[row]] = content
        if self._cache is not None and is_whole:
            self._cache.put(self._qa, (*self._key, self.questions[row]), content)

    @property
    def contents(self) -> list[bytes]:
        """The results of all questions, in the order asked."""
        return [content for content in self._contents if content is not None]
