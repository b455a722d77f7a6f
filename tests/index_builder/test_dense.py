from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.errors import ConfigError
from dpr.types import FloatArray, TopK
from index_builder.dense import build_dense, check_dense, measure_recall, spread


@pytest.fixture
def vectors() -> FloatArray:
    drawn = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    normalized: FloatArray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return normalized


class Half:
    """Finds the first five of the ten nearest, and five rows that are none."""

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors = vectors

    def search(self, questions: FloatArray, k: int) -> TopK:
        scores = questions @ self._vectors.T
        rows = np.argsort(-scores, axis=1)[:, :k]
        rows[:, 5:] = -1
        return TopK(rows, np.take_along_axis(scores, rows, 1))


def test_flat_writes_nothing_and_needs_no_recall(vectors: FloatArray, tmp_path: Path) -> None:
    record = build_dense("flat", {}, vectors, tmp_path / "dense.faiss")
    assert (record.kind, record.recall) == ("flat", None)
    assert not (tmp_path / "dense.faiss").exists()


def test_hnsw_records_its_parameters_and_its_recall(vectors: FloatArray, tmp_path: Path) -> None:
    record = build_dense("hnsw", {"m": 16}, vectors, tmp_path / "dense.faiss")
    assert (tmp_path / "dense.faiss").stat().st_size > 0
    assert dict(record.parameters) == {"m": 16, "ef_construction": 200, "ef_search": 128}
    assert record.recall is not None
    assert 0.9 < record.recall <= 1.0


def test_recall_is_the_share_found(vectors: FloatArray) -> None:
    assert measure_recall(Half(vectors), vectors) == pytest.approx(0.5)


def test_recall_of_fewer_vectors_than_neighbours(vectors: FloatArray) -> None:
    assert measure_recall(Half(vectors[:4]), vectors[:4]) == 1.0


@pytest.mark.parametrize(
    ("kind", "parameters", "cause"),
    [
        ("annoy", {}, "unknown kind of vector index 'annoy'; choose flat or hnsw"),
        ("flat", {"m": 32}, "'flat' has no parameter 'm'"),
        ("hnsw", {"m": 0}, "m is 0"),
    ],
)
def test_what_cannot_be_built_is_refused_at_once(kind: str, parameters: dict[str, int], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        check_dense(kind, parameters)


@pytest.mark.parametrize(
    ("total", "count", "rows"), [(1, 8, [0]), (3, 8, [0, 1, 2]), (100, 2, [0, 99]), (101, 3, [0, 50, 100])]
)
def test_spread(total: int, count: int, rows: list[int]) -> None:
    assert spread(total, count) == rows
