"""The token vectors of passages on disk: float16, two bytes a number, end to end.

Rounding to float16 changes a number by at most 1/2048 of itself, and so a MaxSim score by less than a thousandth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpr.array_files import create_array, open_array, save_array
from dpr.errors import IndexFormatError
from dpr.types import BoolArray, HalfArray, IntArray, TokenVectors

VECTORS_AT_A_TIME = 65536


@dataclass(frozen=True, slots=True, eq=False)
class StoredTokens:
    """The token vectors of P passages.

    Attributes:
        starts: where the vectors of each passage start, and where the last one's end, (P + 1,) int64.
        vectors: (n, D) float16.
    """

    starts: IntArray
    vectors: HalfArray

    @classmethod
    def from_vectors(cls, encoded: TokenVectors) -> StoredTokens:
        """Round the token vectors of passages."""
        return cls(encoded.starts, encoded.vectors.astype(np.float16))

    @classmethod
    def open(cls, folder: Path, passages: int, dimension: int) -> StoredTokens:
        """Map token vectors that ``save`` or ``merge_tokens`` wrote, read-only.

        Raises:
            IndexFormatError: a file is absent, damaged, or does not fit the others.
        """
        starts = open_array(folder / "starts.npy", np.int64, (passages + 1,))
        if starts[0] != 0 or (np.diff(starts) < 0).any():
            raise IndexFormatError(
                f"{folder / 'starts.npy'} does not divide the token vectors; rebuild with dpr-index build"
            )
        return cls(starts, open_array(folder / "vectors.npy", np.float16, (int(starts[-1]), dimension)))

    def save(self, folder: Path) -> None:
        """Write the vectors as files of a folder, which is created if it does not exist."""
        folder.mkdir(parents=True, exist_ok=True)
        save_array(folder / "starts.npy", self.starts)
        save_array(folder / "vectors.npy", self.vectors)


def merge_tokens(blocks: Sequence[tuple[StoredTokens, BoolArray | None]], folder: Path) -> int:
    """Write the token vectors of all blocks, in their order, without deleted passages; return the number of vectors.

    Each block comes with its deleted passages, (P,); None: none of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lengths = [
        np.diff(block.starts) if is_deleted is None else np.diff(block.starts)[~is_deleted]
        for block, is_deleted in blocks
    ]
    starts = np.concatenate(([0], np.cumsum(np.concatenate(lengths))))
    total, dimension = int(starts[-1]), blocks[0][0].vectors.shape[1]
    save_array(folder / "starts.npy", starts)
    vectors = create_array(folder / "vectors.npy", np.float16, (total, dimension))
    written = 0
    for block, is_deleted in blocks:
        for first in range(0, len(block.vectors), VECTORS_AT_A_TIME):
            part = block.vectors[first : first + VECTORS_AT_A_TIME]
            if is_deleted is not None:
                owners = np.searchsorted(block.starts, np.arange(first, first + len(part)), side="right") - 1
                part = part[~is_deleted[owners]]
            vectors[written : written + len(part)] = part
            written += len(part)
    vectors.flush()
    return total
