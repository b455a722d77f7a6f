from __future__ import annotations

import numpy as np
import pytest

from dpr.errors import DataError
from dpr.train.validation import HeldOut, gold_ranks, rank_metrics
from dpr.types import Example, Passage, Question


def test_the_rank_is_that_of_the_best_gold_passage() -> None:
    questions = np.eye(3, dtype=np.float32)
    passages = np.array([[0.9, 0.1, 0.5], [0.5, 0.3, 0.5], [0.1, 0.2, 0.4], [0.0, 0.0, 0.5]], dtype=np.float32)
    ranks = gold_ranks(questions, passages, [(0,), (0, 2), (3,)])
    assert ranks.tolist() == [1, 2, 3]  # of the last, two others have the same score
    assert rank_metrics(ranks) == pytest.approx(
        {"recall@1": 1 / 3, "recall@5": 1.0, "recall@20": 1.0, "mrr": (1 + 1 / 2 + 1 / 3) / 3, "rank": 2.0}
    )


def test_the_pool_is_what_the_questions_bring() -> None:
    first, second, third = (Passage(name, f"text {name}") for name in "abc")
    examples = [
        Example(Question("1", "Which?"), (first,), (third,)),
        Example(Question("2", "Who?"), (second, first)),
        Example(Question("3", "Why?"), (first,), is_impossible=True),
        Example(Question("4", "When?"), ()),
    ]
    held_out = HeldOut.of(examples)
    assert held_out.questions == ("Which?", "Who?")
    assert held_out.passages == (first, third, second)
    assert held_out.golds == ((0,), (2, 0))
    with pytest.raises(DataError, match="no question of the validation data has a passage"):
        HeldOut.of(examples[2:])
