from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.benchmark.charts import draw_risk_coverage
from dpr.errors import DataError
from dpr.evaluation.risk import risk_coverage


def test_the_surest_answers_come_first() -> None:
    curve = risk_coverage(np.array([0.2, 0.9, 0.5]), np.array([0.0, 1.0, 0.5]))
    assert curve.coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve.risk.tolist() == pytest.approx([0, 0.25, 0.5])
    assert curve.area == pytest.approx(0.25)


def test_answers_of_equal_confidence_share_their_risk() -> None:
    quality = np.array([1.0, 0.0, 0.0, 1.0])
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        assert risk_coverage(np.ones(4), quality[order]).risk.tolist() == pytest.approx([0.5] * 4)


def test_no_answers_have_no_curve() -> None:
    with pytest.raises(DataError, match="no answers"):
        risk_coverage(np.array([]), np.array([]))


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    curve = risk_coverage(np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    draw_risk_coverage(tmp_path / "risk.png", {"k=1": curve, "k=5": curve}, "two questions")
    assert (tmp_path / "risk.png").read_bytes().startswith(b"\x89PNG")
