"""The terms of an index, sorted, as one block of bytes that can be mapped into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from dpr.sparse.compiled import compiled, read_only
from dpr.types import IntArray

ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """T different terms in the order of their UTF-8 bytes; a term's number is its place in it.

    Attributes:
        terms: the UTF-8 bytes of all terms, end to end, uint8.
        offsets: where each term starts in ``terms``, and where the last one ends, (T + 1,) int64.
    """

    terms: ByteArray
    offsets: IntArray

    @classmethod
    def of(cls, terms: Iterable[str]) -> Vocabulary:
        """Hold terms that are sorted and different; Python's order of strings is that of their UTF-8 bytes."""
        return cls(*_encode(terms))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[str]:
        for start, end in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            yield self.terms[start:end].tobytes().decode("utf-8", "surrogatepass")

    def lookup(self, terms: Sequence[str]) -> IntArray:
        """Return the number of each term, (len(terms),) int64; -1 where it is unknown."""
        wanted, wanted_offsets = _encode(terms)
        numbers: IntArray = np.empty(len(terms), dtype=np.int64)
        _search(read_only(self.terms), read_only(self.offsets), wanted, wanted_offsets, numbers)
        return numbers


def _encode(terms: Iterable[str]) -> tuple[ByteArray, IntArray]:
    """Return the UTF-8 bytes of terms, end to end, and their offsets; a lone surrogate is a character like others."""
    encoded = [term.encode("utf-8", "surrogatepass") for term in terms]
    offsets = np.fromiter(accumulate(map(len, encoded), initial=0), dtype=np.int64, count=len(encoded) + 1)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), read_only(offsets)


@compiled
def _search(terms: ByteArray, offsets: IntArray, wanted: ByteArray, wanted_offsets: IntArray, found: IntArray) -> None:
    """Find each wanted term by bisection."""
    for number in range(len(found)):
        start, end = wanted_offsets[number], wanted_offsets[number + 1]
        low, high = 0, len(offsets) - 1
        while low < high:
            middle = (low + high) // 2
            if _compare(terms, offsets[middle], offsets[middle + 1], wanted, start, end) < 0:
                low = middle + 1
            else:
                high = middle
        is_found = low < len(offsets) - 1 and not _compare(terms, offsets[low], offsets[low + 1], wanted, start, end)
        found[number] = low if is_found else -1


@compiled
def _compare(left: ByteArray, start: int, end: int, right: ByteArray, right_start: int, right_end: int) -> int:
    """Return a number below, at or above zero as left[start:end] comes before, at or after right's part."""
    length, right_length = end - start, right_end - right_start
    for place in range(min(length, right_length)):
        difference = np.int64(left[start + place]) - np.int64(right[right_start + place])
        if difference:
            return int(difference)
    return length - right_length
