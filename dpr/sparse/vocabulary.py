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
    """T different terms in the order of their UTF-8 bytes; a term's number is its position.

    Attributes:
        terms: the UTF-8 bytes of all terms, end to end, uint8.
        offsets: where each term starts in ``terms``, and where the last one ends, (T + 1,) int64.
    """

    terms: ByteArray
    offsets: IntArray

    @classmethod
    def from_terms(cls, terms: Iterable[str]) -> Vocabulary:
        """Encode terms that are sorted and different; Python's order of strings is that of their UTF-8 bytes."""
        return cls(*_encode(terms))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[str]:
        for start, end in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            yield self.terms[start:end].tobytes().decode("utf-8", "surrogatepass")

    def lookup(self, terms: Sequence[str]) -> IntArray:
        """Return the number of each term, (len(terms),) int64; -1 where it is unknown."""
        searched, searched_offsets = _encode(terms)
        numbers: IntArray = np.empty(len(terms), dtype=np.int64)
        _search(read_only(self.terms), read_only(self.offsets), searched, searched_offsets, numbers)
        return numbers


def _encode(terms: Iterable[str]) -> tuple[ByteArray, IntArray]:
    """Return the UTF-8 bytes of terms, end to end, and their offsets; lone surrogates are allowed."""
    encoded = [term.encode("utf-8", "surrogatepass") for term in terms]
    offsets = np.fromiter(accumulate(map(len, encoded), initial=0), dtype=np.int64, count=len(encoded) + 1)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), read_only(offsets)


@compiled
def _search(
    terms: ByteArray, offsets: IntArray, searched: ByteArray, searched_offsets: IntArray, positions: IntArray
) -> None:
    """Find each searched term by bisection."""
    for number in range(len(positions)):
        start, end = searched_offsets[number], searched_offsets[number + 1]
        low, high = 0, len(offsets) - 1
        while low < high:
            middle = (low + high) // 2
            if _compare(terms, offsets[middle], offsets[middle + 1], searched, start, end) < 0:
                low = middle + 1
            else:
                high = middle
        is_found = low < len(offsets) - 1 and not _compare(terms, offsets[low], offsets[low + 1], searched, start, end)
        positions[number] = low if is_found else -1


@compiled
def _compare(first: ByteArray, start: int, end: int, second: ByteArray, second_start: int, second_end: int) -> int:
    """Return a number below, at or above zero as first[start:end] sorts before, at or after the second's slice."""
    length, second_length = end - start, second_end - second_start
    for index in range(min(length, second_length)):
        difference = np.int64(first[start + index]) - np.int64(second[second_start + index])
        if difference:
            return int(difference)
    return length - second_length
