"""Aliases of array types; no other module defines them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]

RankArray = Int32Array | IntArray
"""The position of each row's id among the sorted ids of a collection, (P,); negative for a deleted passage."""

WindowArray = Int32Array
"""The source of each vector of a segment, (V, 3): the row of a passage, and the start and end in its text.

Vectors are in the order of the passages, and of the windows of a passage.
"""
