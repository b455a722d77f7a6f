from __future__ import annotations

import numpy as np
import pytest

from dpr.errors import DataError
from dpr.evaluation.answers import ANSWER_RULES
from dpr.reader.extractive.merge import PassageSpans, rank_answers
from dpr.tuning.reader_weights import fit_weights
from dpr.types import Candidates, Passage

RULE = ANSWER_RULES["squad-1.1"]


def spans(score: float, relevance: float = 0.0) -> PassageSpans:
    return PassageSpans(np.array([0]), np.array([5]), np.array([score], dtype=np.float32), 0.0, relevance)


def question(number: int) -> Candidates:
    passages = (Passage(f"{number}a", "right"), Passage(f"{number}b", "wrong"), Passage(f"{number}c", "other"))
    return Candidates(f"q{number}", passages, (9.0, 3.0, 3.0))


def test_the_retrieval_score_counts_as_much_as_it_helps() -> None:
    items = [question(number) for number in range(20)]
    found = [[spans(0.0), spans(4.0), spans(-3.0)] for _ in items]  # the reader alone is always wrong, by 4
    fitted = fit_weights(items, found, [("right",)] * 20, RULE)
    assert fitted.weights.retrieval > 4 / 2.13  # the standardized scores are 2.12 apart
    assert fitted.weights.relevance == 0.0
    assert (fitted.f1.mean(), fitted.reader_only_f1.mean()) == (1.0, 0.0)
    for item, spans_of in zip(items, found, strict=True):
        assert rank_answers(item, spans_of, fitted.weights, 1)[0].text == "right"


def test_the_relevance_head_counts_where_there_is_one() -> None:
    items = [Candidates(item.question, item.passages, (1.0, 1.0, 1.0)) for item in map(question, range(5))]
    found = [[spans(0.0, 2.0), spans(1.0, -2.0), spans(0.0)] for _ in items]
    fitted = fit_weights(items, found, [("right",)] * 5, RULE)
    assert fitted.weights.relevance > 0.25
    assert fitted.f1.mean() == 1.0


def test_without_a_gain_the_reader_is_trusted_alone_or_nearly() -> None:
    items = [question(number) for number in range(5)]
    found = [[spans(9.0), spans(0.0), spans(0.0)] for _ in items]
    assert fit_weights(items, found, [("right",)] * 5, RULE).f1.mean() == 1.0


def test_questions_that_say_nothing_are_left_out() -> None:
    items = [question(1), Candidates("none", (), ()), question(2)]
    found = [[spans(1.0), spans(0.0), spans(0.0)], [], [spans(1.0), spans(0.0), spans(0.0)]]
    fitted = fit_weights(items, found, [("right",), ("right",), ()], RULE)
    assert fitted.is_fitted.tolist() == [True, False, False]
    assert len(fitted.f1) == 1
    with pytest.raises(DataError, match="no question has both"):
        fit_weights(items[1:2], found[1:2], [("right",)], RULE)


def test_a_passage_without_a_span_is_never_chosen() -> None:
    empty = PassageSpans(
        np.array([], dtype=np.int64), np.array([], dtype=np.int64), np.array([], dtype=np.float32), 0.0
    )
    fitted = fit_weights([question(1)], [[spans(0.0), empty, empty]], [("right",)], RULE)
    assert fitted.f1.tolist() == [1.0]
