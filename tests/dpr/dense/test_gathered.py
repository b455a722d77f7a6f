"""Search over some rows of a larger matrix: exact at first, by codes when they are searched again and again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dpr.dense import gathered
from dpr.dense.exact import ExactIndex
from dpr.dense.gathered import GatheredIndex
from dpr.types import FloatArray, IntArray, RankArray, VectorIndex
from tests.dpr.dense.contract import VectorIndexContract, clustered_vectors

DIMENSION = 256


class TestGathered(VectorIndexContract):
    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        ranks = np.arange(len(vectors), dtype=np.int32) if id_rank is None else id_rank
        return GatheredIndex(vectors, ranks, np.flatnonzero(ranks >= 0))


class TestCoded(TestGathered):
    """All rows are proposed, so that the codes of a few bits are as good as the vectors."""

    @pytest.fixture(autouse=True)
    def coded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("CODED_BYTES", "CODED_DIMENSION", "CODED_AFTER"):
            monkeypatch.setattr(gathered, name, 0)
        monkeypatch.setattr(gathered, "PROPOSALS", 10_000)

    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        index = super().open(vectors, folder, id_rank)
        assert isinstance(index, GatheredIndex)
        if len(index._rows):
            index.search(vectors[:1], 1)
        return index

    def test_it_is_coded(self, folder: Path) -> None:
        index = self.build(clustered_vectors(50), folder)
        assert isinstance(index, GatheredIndex)
        assert index._exact is None


def make(count: int = 6000, every: int = 2) -> tuple[FloatArray, RankArray, GatheredIndex]:
    vectors = clustered_vectors(count, DIMENSION)
    ranks = np.where(np.arange(count) % every == 0, np.arange(count)[::-1], -1).astype(np.int32)
    return vectors, ranks, GatheredIndex(vectors, ranks, np.flatnonzero(ranks >= 0))


def test_codes_take_over_after_some_questions_and_find_the_same() -> None:
    vectors, ranks, index = make(9000)
    questions = vectors[1:201:2]
    exact = index.search(questions[: gathered.CODED_AFTER - 1], 10)
    is_exact = [index._exact is not None]
    index.search(questions[:1], 10)
    is_exact.append(index._exact is not None)
    assert is_exact == [True, False]
    coded = index.search(questions[: gathered.CODED_AFTER - 1], 10)
    same = [len(set(a) & set(b)) for a, b in zip(exact.rows.tolist(), coded.rows.tolist(), strict=True)]
    assert np.mean(same) > 9.9
    expected = ExactIndex(vectors, ranks).search(questions[:1], 10)
    assert np.array_equal(coded.scores[:1], expected.scores)
    assert np.array_equal(coded.rows[:1], expected.rows)


def test_few_rows_and_short_vectors_are_never_coded() -> None:
    _, _, few = make(1000)
    vectors = clustered_vectors(20_000, 64)
    short = GatheredIndex(vectors, np.arange(20_000, dtype=np.int32), np.arange(20_000))
    for index in (few, short):
        for _ in range(3):
            index.search(np.repeat(index._vectors[:1], 100, axis=0), 1)
        assert index._exact is not None


def test_equal_vectors_are_compared_and_every_row_can_be_had() -> None:
    vectors = np.ones((8000, DIMENSION), dtype=np.float32)
    ranks = np.arange(8000, dtype=np.int32)[::-1].copy()
    index = GatheredIndex(vectors, ranks, np.arange(8000))
    for _ in range(2):
        top = index.search(np.repeat(vectors[:1], 100, axis=0), 8000)
        assert top.rows[-1].tolist() == list(range(7999, -1, -1))
    vectors = clustered_vectors(6000, DIMENSION)
    index = GatheredIndex(vectors, ranks[-6000:], np.arange(6000))
    for _ in range(2):
        top = index.search(vectors[:100], 6000)
        assert sorted(top.rows[-1].tolist()) == list(range(6000))
    assert index._exact is None


def test_threads_get_the_same_hits_while_the_codes_are_made() -> None:
    vectors, _, index = make(8000)
    expected = index.search(vectors[1:2], 5).rows.tolist()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: index.search(vectors[1:2], 5).rows.tolist(), range(400)))
    assert index._exact is None
    assert found == [expected] * 400
