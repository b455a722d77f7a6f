from __future__ import annotations

import numpy as np
import pytest

from dpr.dense.exact import ExactIndex
from dpr.filters import Filter
from dpr.types import FloatArray, RankArray, TopK, VectorIndex
from index_builder.recall import Probes, least_recall, spread


@pytest.fixture
def vectors() -> FloatArray:
    drawn = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    normalized: FloatArray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return normalized


class Half:
    """Finds the passage itself, the first five others, and rows that are none."""

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors = vectors

    def search(self, questions: FloatArray, k: int) -> TopK:
        scores = questions @ self._vectors.T
        rows = np.argsort(-scores, axis=1)[:, :k]
        rows[:, 6:] = -1
        return TopK(rows, np.take_along_axis(scores, rows, 1))

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> VectorIndex:
        raise NotImplementedError


def recalls(vectors: FloatArray, index: VectorIndex) -> tuple[float, float]:
    probes = Probes(vectors)
    return probes.recall_at(10, index), probes.recall_at(100, index)


def test_an_exact_index_finds_all(vectors: FloatArray) -> None:
    assert recalls(vectors, ExactIndex(vectors)) == (1.0, 1.0)


def test_recall_is_the_share_of_the_others_that_is_found(vectors: FloatArray) -> None:
    assert recalls(vectors, Half(vectors)) == pytest.approx((0.5, 0.05))


def test_recall_of_fewer_vectors_than_neighbours(vectors: FloatArray) -> None:
    assert recalls(vectors[:4], Half(vectors[:4])) == (1.0, 1.0)
    assert recalls(vectors[:1], Half(vectors[:1])) == (1.0, 1.0)


def test_a_point_says_what_was_measured(vectors: FloatArray) -> None:
    point = Probes(vectors).point("half", Half(vectors), {"effort": 3})
    assert (point.kind, dict(point.parameters)) == ("half", {"effort": 3})
    assert point.recall_at_10 == pytest.approx(0.5)
    assert point.recall_at_100 == pytest.approx(0.05)
    assert point.milliseconds > 0


@pytest.mark.parametrize(
    ("total", "count", "rows"), [(1, 8, [0]), (3, 8, [0, 1, 2]), (100, 2, [0, 99]), (101, 3, [0, 50, 100])]
)
def test_spread(total: int, count: int, rows: list[int]) -> None:
    assert spread(total, count) == rows


def test_questions_are_measured_beside_the_passages(vectors: FloatArray) -> None:
    questions = np.random.default_rng(1).standard_normal((7, 16)).astype(np.float32)
    exact = Probes(vectors, questions).point("flat", ExactIndex(vectors), {})
    assert (exact.question_recall_at_10, exact.question_recall_at_100) == (1.0, 1.0)
    half = Probes(vectors, questions).point("half", Half(vectors), {})
    assert half.question_recall_at_10 == pytest.approx(0.6)  # no passage of its own is among the six
    assert half.recall_at_10 == pytest.approx(0.5)
    assert least_recall(half) == half.recall_at_100 == pytest.approx(0.05)
