"""Term frequencies: how often each term occurs in each passage. Every sparse scheme is computed from them."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dpr.array_files import open_array
from dpr.errors import IndexFormatError
from dpr.sparse.compiled import compiled, read_only
from dpr.sparse.vocabulary import Vocabulary
from dpr.types import DoubleArray, Int32Array, IntArray

FILES: dict[str, type[np.generic]] = {
    "terms": np.uint8,
    "term_offsets": np.int64,
    "indptr": np.int64,
    "rows": np.int32,
    "counts": np.int32,
    "lengths": np.int32,
}
"""The files of saved counts, each ``NAME.npy``, one-dimensional, of this type."""

POSTINGS_AT_A_TIME = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class PostingBlock:
    """A run of postings, for work that needs more memory than they do.

    Attributes:
        span: where the postings are in ``TermCounts.rows`` and ``TermCounts.counts``.
        terms: the term of each posting, int64.
        rows: the passage of each posting, int32.
        counts: the term frequency of each posting, float64.
    """

    span: slice
    terms: IntArray
    rows: Int32Array
    counts: DoubleArray


@dataclass(frozen=True, slots=True, eq=False)
class TermCounts:
    """An inverted index of P passages and T terms: for each term, its postings in ascending row.

    Attributes:
        vocabulary: the T terms.
        indptr: where each term's postings start, and where the last one's end, (T + 1,) int64.
        rows: the passage of each posting, int32.
        counts: the term frequency of each posting, int32, at least 1.
        lengths: the number of terms of each passage, repeats included, (P,) int32.
    """

    vocabulary: Vocabulary
    indptr: IntArray
    rows: Int32Array
    counts: Int32Array
    lengths: Int32Array

    @classmethod
    def build(cls, documents: Iterable[Sequence[str]]) -> TermCounts:
        """Count the terms of passages, row by row; a document is the list of its terms, in any order.

        The documents are read once, as a stream. Beside the result (8 bytes a posting) this takes 4 bytes of memory for
        each term of each document and one dictionary of the different terms.
        """
        numbers: defaultdict[str, int] = defaultdict()
        numbers.default_factory = numbers.__len__  # the next free number
        tokens, lengths = array("i"), array("i")
        for document in documents:
            tokens.extend(map(numbers.__getitem__, document))
            lengths.append(len(document))
        terms = sorted(numbers)
        numbers_in_order = np.fromiter(map(numbers.__getitem__, terms), dtype=np.int64, count=len(terms))
        del numbers
        per_passage = np.array(lengths, dtype=np.int32)
        postings = _invert(np.frombuffer(tokens, dtype=np.int32), per_passage, numbers_in_order)
        return cls(Vocabulary.from_terms(terms), *postings, lengths=per_passage)

    @property
    def document_frequencies(self) -> IntArray:
        """The document frequency of each term, (T,) int64."""
        return np.diff(self.indptr)

    def posting(self, term: int, row: int) -> int | None:
        """Return the place in ``rows`` of a term's posting for a passage; None where the passage lacks the term.

        ``term`` is the term's number, or -1 for one that no passage has.
        """
        if term < 0:
            return None
        start, end = self.indptr[term : term + 2].tolist()
        posting = start + int(np.searchsorted(self.rows[start:end], row))
        return posting if posting < end and self.rows[posting] == row else None

    def blocks(self) -> Iterator[PostingBlock]:
        """Yield all postings in order, about a million at a time."""
        for start in range(0, len(self.rows), POSTINGS_AT_A_TIME):
            end = min(start + POSTINGS_AT_A_TIME, len(self.rows))
            first = int(np.searchsorted(self.indptr, start, side="right")) - 1
            last = int(np.searchsorted(self.indptr, end, side="left"))
            edges = np.clip(self.indptr[first : last + 1], start, end)
            terms = np.repeat(np.arange(first, last), np.diff(edges))
            yield PostingBlock(
                slice(start, end), terms, self.rows[start:end], self.counts[start:end].astype(np.float64)
            )

    def save(self, folder: Path) -> None:
        """Write the counts as the plain files ``FILES`` of a folder, which is created if it does not exist."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.arrays().items():
            np.save(file_of(folder, name), content, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> TermCounts:
        """Map counts that ``save`` wrote, read-only; only the offsets are read, to check that the files agree.

        Raises:
            IndexFormatError: a file is absent, damaged, of another type, or disagrees with another one.
        """
        files = {name: np.asarray(open_array(file_of(folder, name), dtype, (None,))) for name, dtype in FILES.items()}
        _check_offsets(folder, "term_offsets", files["term_offsets"], "terms", len(files["terms"]))
        _check_offsets(folder, "indptr", files["indptr"], "rows", len(files["rows"]))
        _check_equal(folder, "rows", len(files["rows"]), "counts", len(files["counts"]))
        _check_equal(folder, "indptr", len(files["indptr"]), "term_offsets", len(files["term_offsets"]))
        vocabulary = Vocabulary(files.pop("terms"), files.pop("term_offsets"))
        return cls(vocabulary, **files)

    @classmethod
    def from_arrays(cls, buffers: Mapping[str, bytes]) -> TermCounts:
        """Return the counts of the bytes of the arrays that `arrays` names."""
        arrays = {name: np.frombuffer(buffers[name], dtype=dtype) for name, dtype in FILES.items()}
        vocabulary = Vocabulary(arrays.pop("terms"), arrays.pop("term_offsets"))
        return cls(vocabulary, **arrays)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by the names of their files in ``FILES``."""
        return {
            "terms": self.vocabulary.terms,
            "term_offsets": self.vocabulary.offsets,
            "indptr": self.indptr,
            "rows": self.rows,
            "counts": self.counts,
            "lengths": self.lengths,
        }


def file_of(folder: Path, name: str) -> Path:
    """Return the path of a file in ``FILES``."""
    return folder / f"{name}.npy"


def _invert(
    tokens: Int32Array, lengths: Int32Array, numbers_in_order: IntArray
) -> tuple[IntArray, Int32Array, Int32Array]:
    """Turn the passages' tokens into postings; a token is a term's number by first appearance.

    ``numbers_in_order`` (T,) gives these numbers in the sorted order of the terms, which is the order of the result.
    """
    frequencies = np.zeros(len(numbers_in_order), dtype=np.int64)
    _count_documents(read_only(tokens), read_only(lengths), frequencies)
    indptr = np.concatenate(([0], np.cumsum(frequencies[numbers_in_order])))
    heads = np.empty_like(frequencies)
    heads[numbers_in_order] = indptr[:-1]
    rows, counts = np.empty((2, indptr[-1]), dtype=np.int32)
    _write_postings(read_only(tokens), read_only(lengths), heads, rows, counts)
    return indptr, rows, counts


@compiled
def _count_documents(tokens: Int32Array, lengths: Int32Array, frequencies: IntArray) -> None:
    last_row = np.full(len(frequencies), -1, np.int32)
    position = 0
    for row in range(len(lengths)):
        for _ in range(lengths[row]):
            term = tokens[position]
            position += 1
            if last_row[term] != row:
                last_row[term] = row
                frequencies[term] += 1


@compiled
def _write_postings(
    tokens: Int32Array, lengths: Int32Array, heads: IntArray, rows: Int32Array, counts: Int32Array
) -> None:
    """Write each posting to its term's head, which moves on; rows come in ascending order, so none is sorted."""
    last_row = np.full(len(heads), -1, np.int32)
    position = 0
    for row in range(len(lengths)):
        for _ in range(lengths[row]):
            term = tokens[position]
            position += 1
            if last_row[term] == row:
                counts[heads[term] - 1] += 1
            else:
                last_row[term] = row
                rows[heads[term]] = row
                counts[heads[term]] = 1
                heads[term] += 1


def _check_offsets(folder: Path, name: str, offsets: IntArray, into: str, length: int) -> None:
    is_sound = len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == length and bool((np.diff(offsets) >= 0).all())
    if not is_sound:
        raise IndexFormatError(
            f"{file_of(folder, name)} does not divide the {length} entries of {into}.npy; build the index again"
        )


def _check_equal(folder: Path, name: str, length: int, compared_name: str, compared_length: int) -> None:
    if length != compared_length:
        raise IndexFormatError(
            f"{file_of(folder, name)} has {length} entries, but {compared_name}.npy has {compared_length}; "
            "build the index again"
        )
