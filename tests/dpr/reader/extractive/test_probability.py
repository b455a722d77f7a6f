"""The probability that an answer is right: a fit recovers a known one, and it equals the frequency."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.errors import DataError
from dpr.evaluation.calibration_error import expected_calibration_error
from dpr.reader.extractive.merge import PassageSpans, Weights, rank_answers
from dpr.reader.extractive.model import ReaderConfig
from dpr.reader.extractive.probability import (
    FEATURES,
    Calibration,
    calibration_for,
    evidence_of,
    fit_calibration,
    fit_calibrations,
    is_right,
)
from dpr.reader.extractive.reader import verdict
from dpr.types import BoolArray, Candidates, Passage

NUMBERS = st.floats(-1e6, 1e6)
WEIGHTS = st.dictionaries(st.sampled_from(FEATURES), st.floats(0, 1e3), min_size=1)


def drawn(truth: Calibration, count: int, seed: int = 5) -> tuple[list[dict[str, float]], BoolArray]:
    """Evidence, and whether answers are right, drawn with just the probability that a calibration gives."""
    random = np.random.default_rng(seed)
    values = random.normal([0, -1, 3], [4, 1, 2], (count, 3))
    evidence = [dict(zip(FEATURES, row.tolist(), strict=True)) for row in values]
    return evidence, random.random(count) < np.array([truth.probability(row) for row in evidence])


def test_a_fit_recovers_the_calibration_of_its_data() -> None:
    truth = Calibration(-0.5, {"margin": 0.4, "share": 0.8, "lead": 0.2})
    found = fit_calibration(*drawn(truth, 20_000))
    assert found.intercept == pytest.approx(truth.intercept, abs=0.15)
    assert found.weights == pytest.approx(truth.weights, abs=0.06)


def test_a_calibrated_probability_is_the_frequency_and_another_is_not() -> None:
    truth = Calibration(-1.0, {"margin": 0.5})
    evidence, right = drawn(truth, 10_000)

    def error(calibration: Calibration) -> float:
        return expected_calibration_error(np.array([calibration.probability(row) for row in evidence]), right)

    assert error(fit_calibration(evidence, right)) < 0.02
    assert error(Calibration(-1.0, {"margin": 3.0})) > 0.08


@given(NUMBERS, WEIGHTS, st.fixed_dictionaries(dict.fromkeys(FEATURES, NUMBERS)), st.floats(0, 1e6))
def test_a_probability_is_a_number_that_does_not_fall_as_evidence_rises(
    intercept: float, weights: Mapping[str, float], evidence: Mapping[str, float], more: float
) -> None:
    calibration = Calibration(intercept, weights)
    probability = calibration.probability(evidence)
    assert 0 < probability < 1
    for name in FEATURES:
        assert calibration.probability({**evidence, name: evidence[name] + more}) >= probability


def test_a_feature_that_counts_against_an_answer_is_left_out() -> None:
    random = np.random.default_rng(3)
    margins = random.normal(0, 3, 400)
    right = random.random(400) < 1 / (1 + np.exp(-margins))
    evidence = [
        {"margin": margin, "share": -margin + noise, "lead": 0.0}
        for margin, noise in zip(margins.tolist(), random.normal(0, 2, 400).tolist(), strict=True)
    ]
    found = fit_calibration(evidence, right)
    assert "share" not in found.weights
    assert found.weights["margin"] > 0
    with pytest.raises(DataError, match="more confident of wrong answers"):
        fit_calibration([{**row, "margin": -row["margin"], "share": 0.0} for row in evidence], right)


def test_evidence_that_parts_right_from_wrong_keeps_the_fit_finite() -> None:
    evidence = [{"margin": float(margin), "share": 0.0, "lead": 0.0} for margin in (9, 8, -3, -4)]
    found = fit_calibration(evidence, np.array([True, True, False, False]))
    assert 0 < found.probability(evidence[3]) < 0.5 < found.probability(evidence[0]) < 1


def test_each_script_with_enough_questions_has_its_own_calibration() -> None:
    korean, english = (drawn(Calibration(intercept, {"margin": 0.5}), 300, seed=7) for intercept in (-2.0, 1.0))
    both = [*korean[0], *english[0]], np.concatenate([korean[1], english[1]])
    fitted = fit_calibrations(["누가?"] * 300 + ["who?"] * 300, *both)
    assert fitted["hangul"].intercept < -1 < 0 < fitted["other"].intercept
    assert calibration_for("누가 wrote it?", fitted) == fitted["hangul"]
    few = fit_calibrations(["누가?"] * 20 + ["who?"] * 300, [*korean[0][:20], *english[0]], np.concatenate(
        [korean[1][:20], english[1]]
    ))  # fmt: skip
    assert few.keys() == {"other"}
    assert calibration_for("누가?", few) == few["other"]
    fewer = fit_calibrations(["누가?"] * 20, korean[0][:20], korean[1][:20])
    assert fewer.keys() == {"hangul"}
    assert calibration_for("who?", {}) is None
    for all_right, message in ((True, "every answer is right"), (False, "no answer is right")):
        with pytest.raises(DataError, match=message):
            fit_calibrations(["who?"] * 300, english[0], np.full(300, all_right))


def test_an_answer_is_right_by_the_rule_of_its_questions_script() -> None:
    assert is_right("Who?", "the King Sejong", ("King Sejong",))
    assert not is_right("Who?", "Sejong", ("King Sejong",))  # an F1 of two thirds
    assert is_right("언제?", "1443년에", ("1443년",))  # 10 of 11 characters
    assert not is_right("언제?", "1443년 12월 30일", ("1443년",))
    assert not is_right("When?", "1443", ())


def test_evidence_is_margin_share_and_lead() -> None:
    passages = (Passage("a", "Agnes built it in 1848"), Passage("b", "Agnes, in 1850"))
    found = [
        PassageSpans(np.array([0, 10]), np.array([5, 14]), np.array([4.0, 3.5], dtype=np.float32), null_score=1.0),
        PassageSpans(np.array([0, 10]), np.array([5, 14]), np.array([5.0, 3.0], dtype=np.float32), null_score=1.0),
    ]
    item = Candidates("Who?", passages, (1.0, 1.0))
    evidence = evidence_of(item, found, rank_answers(item, found, Weights(), 5))
    share = 5 - math.log(math.exp(5) + math.exp(3))
    assert evidence == pytest.approx({"margin": 4.0, "share": share, "lead": 1.5})  # the other Agnes is no rival
    alone = [PassageSpans(np.array([0]), np.array([5]), np.array([4.0], dtype=np.float32), null_score=1.0)] * 2
    assert evidence_of(item, alone, rank_answers(item, alone, Weights(), 5))["lead"] == 10


def test_evidence_is_the_same_however_many_answers_are_wanted() -> None:
    spans = PassageSpans(np.array([0, 10]), np.array([5, 14]), np.array([4.0, 3.5], dtype=np.float32), null_score=1.0)
    item = Candidates("Who?", (Passage("a", "Agnes built it in 1848"),), (1.0,))
    few, many = (verdict(item, [spans], ReaderConfig(), n_best) for n_best in (1, 9))
    assert (len(few.answers), len(many.answers)) == (1, 2)
    assert few.evidence == many.evidence
    assert few.evidence["lead"] == pytest.approx(0.5)
