"""Expected calibration error: the distance of stated probabilities and observed frequencies; numpy only."""

from __future__ import annotations

import numpy as np

from dpr.errors import DataError
from dpr.types import BoolArray, DoubleArray

BINS = 15


def expected_calibration_error(probabilities: DoubleArray, happened: BoolArray, bins: int = BINS) -> float:
    """Return the mean distance of probability and frequency over equal bins of [0, 1] (Naeini et al. 2015).

    Each bin weighs as many questions as it holds: Σ |bin| / Q · |mean probability - share that happened|.

    Raises:
        DataError: there are no questions.
    """
    if not len(probabilities):
        raise DataError("there are no questions to judge probabilities by")
    bin_numbers = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(bin_numbers, weights=probabilities - happened, minlength=bins)
    return float(np.abs(gaps).sum() / len(probabilities))
