"""The arrays of the project by what they hold; each alias stands here alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]

RankArray = Int32Array | IntArray
"""The place of each row's id among the sorted ids of a collection, (P,); negative for a passage that is deleted."""

WindowArray = Int32Array
"""What each vector of a segment is of, (V, 3): a passage's row, and the start and the end in its text.

The vectors of a passage stand together, in the order of the passages, and of their windows.
"""
