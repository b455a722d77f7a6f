from __future__ import annotations

import numpy as np
import pytest

from dpr.errors import DataError
from dpr.evaluation.calibration_error import expected_calibration_error


def test_the_error_is_the_weighted_gap_of_each_bin() -> None:
    probabilities = np.array([0.05, 0.05, 0.95, 0.95, 0.95, 1.0])
    happened = np.array([False, True, True, True, False, True])
    by_hand = (abs(0.05 * 2 - 1) + abs(0.95 * 3 + 1.0 - 3)) / 6
    assert expected_calibration_error(probabilities, happened, bins=10) == pytest.approx(by_hand)


def test_without_questions_there_is_no_error() -> None:
    with pytest.raises(DataError, match="no questions"):
        expected_calibration_error(np.array([]), np.array([], dtype=np.bool_))
