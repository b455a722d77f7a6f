"""Learned term weights (impacts) of passages as an inverted index on disk, by the vocabulary of the model.

A posting is a row and a float32 weight. The weights are the model's, not quantized: 8 bytes for each posting, as much
as a posting of BM25 with its weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpr.array_files import create_array, open_array, save_array
from dpr.errors import IndexFormatError
from dpr.types import BoolArray, FloatArray, Int32Array, IntArray, TermWeights


@dataclass(frozen=True, slots=True, eq=False)
class Impacts:
    """An inverted index of weighted terms over P passages.

    Attributes:
        passages: P.
        indptr: where the postings of each of T terms start, and where the last one's end, (T + 1,) int64.
        rows: the passage of each posting, ascending within a term, int32.
        weights: the weight of each posting, float32.
    """

    passages: int
    indptr: IntArray
    rows: Int32Array
    weights: FloatArray

    @classmethod
    def from_weights(cls, encoded: TermWeights, terms: int) -> Impacts:
        """Invert the weighted terms of passages, over a vocabulary of ``terms``."""
        owners = np.repeat(np.arange(len(encoded), dtype=np.int32), np.diff(encoded.starts))
        order = np.argsort(encoded.terms, kind="stable")  # rows stay ascending within a term
        indptr = np.concatenate(([0], np.cumsum(np.bincount(encoded.terms, minlength=terms))))
        return cls(len(encoded), indptr, owners[order], encoded.weights[order])

    @classmethod
    def open(cls, folder: Path, passages: int, terms: int) -> Impacts:
        """Map impacts that ``save`` or ``merge`` wrote, read-only.

        Raises:
            IndexFormatError: a file is absent, damaged, or does not fit the others.
        """
        indptr = open_array(folder / "indptr.npy", np.int64, (terms + 1,))
        postings = int(indptr[-1])
        if indptr[0] != 0 or (np.diff(indptr) < 0).any():
            raise IndexFormatError(
                f"{folder / 'indptr.npy'} does not divide the postings; rebuild with dpr-index build"
            )
        rows = open_array(folder / "rows.npy", np.int32, (postings,))
        weights = open_array(folder / "weights.npy", np.float32, (postings,))
        return cls(passages, indptr, rows, weights)

    def save(self, folder: Path) -> None:
        """Write the impacts as files of a folder, which is created if it does not exist."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in (("indptr", self.indptr), ("rows", self.rows), ("weights", self.weights)):
            save_array(folder / f"{name}.npy", array)

    def without(self, is_deleted: BoolArray) -> Impacts:
        """Return the impacts of the passages that are not deleted, in memory; ``is_deleted`` is (P,)."""
        is_alive = ~is_deleted[self.rows]
        before = np.concatenate(([0], np.cumsum(is_alive)))
        new_rows = (np.cumsum(~is_deleted) - 1).astype(np.int32)
        remaining = int((~is_deleted).sum())
        return Impacts(remaining, before[self.indptr], new_rows[self.rows[is_alive]], self.weights[is_alive])


def merge_impacts(blocks: Sequence[Impacts], folder: Path) -> int:
    """Write the impacts of the passages of all blocks, in their order, into a folder; return the number of postings."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [np.diff(block.indptr) for block in blocks]
    indptr = np.concatenate(([0], np.cumsum(np.sum(sizes, axis=0))))
    total = int(indptr[-1])
    rows = create_array(folder / "rows.npy", np.int32, (total,)) if total else np.empty(0, np.int32)
    weights = create_array(folder / "weights.npy", np.float32, (total,)) if total else np.empty(0, np.float32)
    heads, first_row = indptr[:-1].copy(), 0
    for block, of_terms in zip(blocks, sizes, strict=True):
        targets = np.repeat(heads - block.indptr[:-1], of_terms) + np.arange(len(block.rows))
        rows[targets] = block.rows + np.int32(first_row)
        weights[targets] = block.weights
        heads += of_terms
        first_row += block.passages
    save_array(folder / "indptr.npy", indptr)
    for name, array in (("rows", rows), ("weights", weights)):
        if isinstance(array, np.memmap):
            array.flush()
        else:
            save_array(folder / f"{name}.npy", array)
    return total
