"""Search over some of the rows: FAISS's selector of rows, and exact search over the vectors of a few rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from dpr.types import RankArray


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The rows of a search: FAISS's selector, which needs its bits in memory, and their number."""

    selector: Any
    count: int

    @classmethod
    def of_ranks(cls, id_rank: RankArray) -> Selection:
        """Return the rows whose rank is not negative."""
        is_selected = id_rank >= 0
        return cls(faiss.IDSelectorBitmap(np.packbits(is_selected, bitorder="little")), int(is_selected.sum()))
