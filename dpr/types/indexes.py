"""What a part of an index offers to those who search it, or who read its passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from dpr.types.arrays import DoubleArray, FloatArray, IntArray

if TYPE_CHECKING:
    from dpr.types import Passage, TopK


class PassageRows(Protocol):
    """Passages by row."""

    def __getitem__(self, row: int, /) -> Passage:
        """Return the passage of a row."""


class PassagePool(PassageRows, Protocol):
    """Passages by row and by id."""

    def __len__(self) -> int:
        """Return the number of passages."""

    def __iter__(self) -> Iterator[Passage]:
        """Yield every passage."""

    def row_of(self, passage_id: str) -> int | None:
        """Return the row of a passage, None where there is none of this id."""


class VectorIndex(Protocol):
    """Search by inner product over P vectors."""

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k rows of highest inner product for question vectors (Q, D)."""


class SparseIndex(Protocol):
    """Search by weighted terms over P passages; only passages that share a term with the question are hits."""

    def search(self, questions: Sequence[Sequence[str]], k: int) -> TopK:
        """Return the k best rows for each question, given as its terms."""

    def frequencies(self, terms: Sequence[str]) -> IntArray:
        """Return the number of passages that have each term, (terms,)."""

    def coverage(self, questions: Sequence[Sequence[str]], rows: IntArray) -> DoubleArray:
        """Return how much of each question, given as its terms, the passage of its row covers, (Q,)."""
