"""Protocols of an index: its passages, its vectors and its terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from dpr.types.arrays import DoubleArray, FloatArray, IntArray, RankArray, WindowArray

if TYPE_CHECKING:
    from dpr.filters import Filter
    from dpr.types import Passage, TermShare, TopK


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
        """Return the row of a passage by its id, None if there is none."""


class VectorIndex(Protocol):
    """Search by inner product over P vectors."""

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k rows of highest inner product for question vectors (Q, D)."""

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> VectorIndex:
        """Return the search over the rows whose rank is not negative, (P,); it shares what is in memory.

        ``condition`` is the filter that the ranks come from, as `dpr.store.filtering.typed_filter` gives it, if they
        come from one: a database tests it in place of the ranks.
        """


class SparseIndex(Protocol):
    """Search by weighted terms over P passages; hits share a term with the question."""

    def search(self, questions: Sequence[Sequence[str]], k: int) -> TopK:
        """Return the k best rows for each question, a list of terms."""

    def selecting(self, id_rank: RankArray) -> SparseIndex:
        """Return the search over the rows whose rank is not negative, (P,), with the scores of the whole collection."""

    def frequencies(self, terms: Sequence[str]) -> IntArray:
        """Return the document frequency of each term, (terms,)."""

    def coverage(self, questions: Sequence[Sequence[str]], rows: IntArray) -> DoubleArray:
        """Return the share of each question, a list of terms, that the passage of its row covers, (Q,)."""

    def shares(self, question: Sequence[str], row: int) -> list[TermShare]:
        """Return what each distinct term of a question, a list of terms, adds to the score of a row's passage.

        The shares add up to the score, which is 0 for a passage without any of the terms. They are sorted, largest
        first; equal ones are in the order of the terms.
        """


class PassageVectors(Protocol):
    """The vectors of passages by row."""

    def vectors_of(self, row: int) -> tuple[FloatArray, WindowArray | None]:
        """Return the vectors of a row's passage, (W, D), and the bounds of their windows in its text, (W, 2).

        The windows are None for a passage with one vector.
        """
