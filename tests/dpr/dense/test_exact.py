from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.dense import exact
from dpr.dense.exact import ExactIndex
from dpr.types import FloatArray, IntArray, VectorIndex
from tests.dpr.dense.contract import VectorIndexContract, brute_force, random_vectors


class TestExact(VectorIndexContract):
    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        return ExactIndex(vectors, id_rank)


@pytest.mark.parametrize("size", [1, 7, 50])
def test_blocks_change_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "VECTORS_AT_A_TIME", size)
    vectors = np.concatenate((random_vectors(40), random_vectors(40)))  # each score comes twice
    rank = np.random.default_rng(0).permutation(80)
    questions = random_vectors(5, seed=1)
    top = ExactIndex(vectors, rank).search(questions, 9)
    np.testing.assert_array_equal(top.rows, brute_force(vectors, questions, rank, 9).rows)
