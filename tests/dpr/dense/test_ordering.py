from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpr.dense.ordering import Ordering, inner_products
from tests.dpr.dense.contract import random_vectors


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), max_size=20), st.integers(1, 25), st.randoms())
def test_first_is_a_sort_by_score_then_rank(scores: list[float], k: int, random: np.random.RandomState) -> None:
    rank = list(range(len(scores)))
    random.shuffle(rank)
    rows, actual = Ordering(np.array(rank, dtype=np.int64)).first(
        np.arange(len(scores)), np.array(scores, dtype=np.float32), k
    )
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], rank[row]))[:k]
    assert rows.tolist() == expected
    assert actual.tolist() == [scores[row] for row in expected]


def test_equal_vectors_have_equal_scores_wherever_they_are() -> None:
    vectors = random_vectors(301)
    vectors[::7] = vectors[0]
    question = random_vectors(1, seed=1)[0]
    scores = inner_products(vectors, np.arange(301), question)
    assert set(scores[::7].tolist()) == {float(scores[0])}
    assert inner_products(vectors, np.array([14, 3]), question).tolist() == scores[[14, 3]].tolist()
