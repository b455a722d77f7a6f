"""What every VectorIndex must do; each implementation's tests inherit it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dpr.errors import IndexFormatError, RequestError
from dpr.types import FloatArray, IntArray, TopK, VectorIndex

DIMENSION = 12


def random_vectors(count: int, seed: int = 0) -> FloatArray:
    """Return unit vectors, (count, DIMENSION)."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def brute_force(vectors: FloatArray, questions: FloatArray, rank: IntArray, k: int) -> TopK:
    """Return the k best of P rows by definition: one inner product at a time."""
    scores = np.array(
        [
            [np.float32(sum(float(a) * float(b) for a, b in zip(question, vector, strict=True))) for vector in vectors]
            for question in questions
        ]
    )
    rows = np.array([np.lexsort((rank, -line))[:k] for line in scores])
    return TopK(rows, np.take_along_axis(scores, rows, axis=1))


def clustered_vectors(count: int, dimension: int = 64) -> FloatArray:
    """Return unit vectors around 50 centres, as those of passages lie around subjects, (count, dimension)."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((50, dimension))
    vectors = centres[generator.integers(0, 50, count)] + 0.7 * generator.standard_normal((count, dimension))
    unit: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


class VectorIndexContract:
    """Each test calls ``open`` for an index over vectors that are mapped from a file."""

    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        raise AssertionError("the implementation's tests say how it is opened")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path

    def build(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        np.save(folder / "vectors.npy", vectors)
        return self.open(np.load(folder / "vectors.npy", mmap_mode="r"), folder, id_rank)

    @pytest.mark.parametrize("k", [1, 5, 60])
    def test_it_finds_the_highest_inner_products(self, k: int, folder: Path) -> None:
        vectors, questions = random_vectors(60), random_vectors(7, seed=1)
        rank = np.random.default_rng(2).permutation(60)
        top = self.build(vectors, folder, rank).search(questions, k)
        expected = brute_force(vectors, questions, rank, k)
        assert top.rows.dtype == np.int64
        assert top.scores.dtype == np.float32
        np.testing.assert_array_equal(top.rows, expected.rows)
        np.testing.assert_allclose(top.scores, expected.scores, rtol=1e-6)

    def test_lengths_of_vectors_count(self, folder: Path) -> None:
        vectors = random_vectors(30) * np.linspace(0.5, 3.0, 30, dtype=np.float32)[:, None]
        questions = 10 * random_vectors(5, seed=1)
        top = self.build(vectors, folder).search(questions, 3)
        np.testing.assert_array_equal(top.rows, brute_force(vectors, questions, np.arange(30), 3).rows)

    def test_padding_follows_the_hits(self, folder: Path) -> None:
        top = self.build(random_vectors(5), folder).search(random_vectors(2, seed=1), 8)
        assert top.rows.shape == top.scores.shape == (2, 8)
        for rows, scores in zip(top.rows, top.scores, strict=True):
            assert sorted(rows[:5].tolist()) == [0, 1, 2, 3, 4]
            assert rows[5:].tolist() == [-1, -1, -1]
            assert np.isneginf(scores[5:]).all()
            assert np.isfinite(scores[:5]).all()

    def test_a_single_vector_is_found(self, folder: Path) -> None:
        assert self.build(random_vectors(1), folder).search(random_vectors(1), 3).rows.tolist() == [[0, -1, -1]]

    def test_no_vectors_have_no_hits(self, folder: Path) -> None:
        assert self.build(random_vectors(0), folder).search(random_vectors(1), 2).rows.tolist() == [[-1, -1]]

    def test_no_questions_have_no_result(self, folder: Path) -> None:
        assert self.build(random_vectors(5), folder).search(random_vectors(0), 2).rows.shape == (0, 2)

    def test_equal_scores_are_ordered_by_id_rank(self, folder: Path) -> None:
        vectors = np.repeat(random_vectors(4), 5, axis=0)
        rank = np.random.default_rng(0).permutation(20)
        top = self.build(vectors, folder, rank).search(vectors[:1], 20)
        np.testing.assert_array_equal(top.rows, brute_force(vectors, vectors[:1], rank, 20).rows)

    def test_equal_scores_are_in_row_order_without_id_ranks(self, folder: Path) -> None:
        vectors = np.repeat(random_vectors(2), 6, axis=0)
        assert self.build(vectors, folder).search(vectors[:1], 6).rows.tolist() == [[0, 1, 2, 3, 4, 5]]

    @pytest.mark.parametrize("deleted", [[3], list(range(0, 40, 2)), list(range(5, 40)), list(range(40))])
    def test_deleted_rows_are_no_hits_and_k_are_still_found(self, deleted: list[int], folder: Path) -> None:
        vectors, questions = random_vectors(40), random_vectors(6, seed=1)
        alive = np.setdiff1d(np.arange(40), deleted)
        rank = np.full(40, -1)
        rank[alive] = np.random.default_rng(0).permutation(len(alive))
        top = self.build(vectors, folder, rank).search(questions, 7)
        expected = brute_force(vectors[alive], questions, rank[alive], 7)
        actual = min(7, len(alive))
        np.testing.assert_array_equal(top.rows[:, :actual], alive[expected.rows])
        assert (top.rows[:, actual:] == -1).all()
        assert np.isneginf(top.scores[:, actual:]).all()

    def test_a_question_is_answered_the_same_in_any_batch(self, folder: Path) -> None:
        index = self.build(random_vectors(80), folder)
        questions = random_vectors(50, seed=1)
        together = index.search(questions, 10)
        for position in (0, 17, 49):
            alone = index.search(questions[position : position + 1], 10)
            np.testing.assert_array_equal(alone.rows[0], together.rows[position])
            np.testing.assert_array_equal(alone.scores[0], together.scores[position])

    def test_threads_may_search_at_once_for_different_k(self, folder: Path) -> None:
        index = self.build(random_vectors(80), folder)
        questions = random_vectors(20, seed=1)
        depths = [3, 10, 70] * 4
        expected = {k: index.search(questions, k) for k in set(depths)}
        with ThreadPoolExecutor(4) as pool:
            for k, top in zip(depths, pool.map(lambda k: index.search(questions, k), depths), strict=True):
                np.testing.assert_array_equal(top.rows, expected[k].rows)
                np.testing.assert_array_equal(top.scores, expected[k].scores)

    def test_questions_in_any_memory_order_are_taken(self, folder: Path) -> None:
        index = self.build(random_vectors(20), folder)
        questions = random_vectors(4, seed=1)
        turned = np.asfortranarray(questions)
        np.testing.assert_array_equal(index.search(turned, 5).rows, index.search(questions, 5).rows)

    @pytest.mark.parametrize("shape", [(2, DIMENSION + 1), (DIMENSION,)])
    def test_questions_of_another_shape_are_refused(self, shape: tuple[int, ...], folder: Path) -> None:
        with pytest.raises(IndexFormatError, match=f"vectors of dimension {DIMENSION}; use the encoder"):
            self.build(random_vectors(5), folder).search(np.ones(shape, dtype=np.float32), 2)

    @pytest.mark.parametrize("k", [0, -3])
    def test_k_below_one_is_refused(self, k: int, folder: Path) -> None:
        with pytest.raises(RequestError, match=f"k is {k}") as refusal:
            self.build(random_vectors(5), folder).search(random_vectors(1), k)
        assert refusal.value.field == "k"

    def test_id_ranks_of_other_vectors_are_refused(self, folder: Path) -> None:
        with pytest.raises(IndexFormatError, match=r"id ranks have the shape \(3,\), but there are 5 vectors"):
            self.build(random_vectors(5), folder, np.arange(3))
