from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from dpr.dense import index_types
from dpr.dense.exact import ExactIndex
from dpr.dense.index_types import index_type_of
from dpr.dense.ivf import IVFIndex
from dpr.errors import ConfigError, IndexFormatError
from dpr.types import FloatArray, IntArray, VectorIndex
from tests.dpr.dense.contract import VectorIndexContract, clustered_vectors, random_vectors

IVF_KINDS = ("ivf-fp16", "ivf-sq8", "ivf-pq")

EVERY_ROW = 10_000
"""Lists to read, and rows to score, above what there are in a contract test: the search is then exact."""


class IVFContract(VectorIndexContract):
    kind = ""

    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        index_type_of(self.kind, {"nlist": 4}).build(vectors, folder / "dense.faiss")
        return IVFIndex(vectors, folder / "dense.faiss", EVERY_ROW, EVERY_ROW, id_rank)


class TestHalfPrecision(IVFContract):
    kind = "ivf-fp16"


class TestEightBits(IVFContract):
    kind = "ivf-sq8"


class TestProducts(IVFContract):
    kind = "ivf-pq"

    @pytest.fixture(autouse=True)
    def learned_from_few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(index_types, "LEAST_FOR_PRODUCTS", 20)


def shared(actual: IntArray, expected: IntArray) -> float:
    return float(
        np.mean([len(set(ours) & set(theirs)) / len(theirs) for ours, theirs in zip(actual, expected, strict=True)])
    )


@pytest.mark.parametrize("kind", IVF_KINDS)
def test_some_lists_hold_nearly_all_with_exact_scores(kind: str, tmp_path: Path) -> None:
    vectors = clustered_vectors(8000)
    index_type_of(kind, {"nlist": 0}).build(vectors, tmp_path / "dense.faiss")
    questions = vectors[::80] + np.float32(0.02)
    actual = IVFIndex(vectors, tmp_path / "dense.faiss", nprobe=40, rerank=200).search(questions, 10)
    expected = ExactIndex(vectors).search(questions, 10)
    assert shared(actual.rows, expected.rows) > 0.95
    is_same = actual.rows == expected.rows
    np.testing.assert_array_equal(actual.scores[is_same], expected.scores[is_same])


@pytest.mark.parametrize("share", [0.5, 0.2, 0.1])
def test_a_filter_costs_no_recall(share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few lists are read here, so that an exact search has more to find than the index does."""
    monkeypatch.setattr("dpr.dense.approximate.GATHERED_BYTES", 0)
    random = np.random.default_rng(1)
    vectors = random_vectors(20_000)
    index_type_of("ivf-sq8", {"nlist": 200}).build(vectors, tmp_path / "dense.faiss")
    index = IVFIndex(vectors, tmp_path / "dense.faiss", nprobe=16, rerank=200)
    questions = random_vectors(200, seed=2)
    without = shared(index.search(questions, 10).rows, ExactIndex(vectors).search(questions, 10).rows)
    ranks = np.where(random.random(len(vectors)) < share, np.arange(len(vectors)), -1)
    expected = ExactIndex(vectors, ranks).search(questions, 10)
    assert shared(index.selecting(ranks).search(questions, 10).rows, expected.rows) > without - 0.02


def test_codes_are_smaller_than_vectors(tmp_path: Path) -> None:
    vectors = clustered_vectors(8000)
    sizes = {}
    for index_type in IVF_KINDS:
        index_type_of(index_type, {"nlist": 16}).build(vectors, tmp_path / index_type)
        sizes[index_type] = (tmp_path / index_type).stat().st_size / vectors.nbytes
    assert sizes["ivf-pq"] < 0.12
    assert 0.25 < sizes["ivf-sq8"] < 0.35
    assert 0.5 < sizes["ivf-fp16"] < 0.6


@pytest.mark.parametrize("kind", IVF_KINDS)
def test_the_file_is_the_same_each_time(kind: str, tmp_path: Path) -> None:
    vectors = clustered_vectors(3000)
    for name in ("first", "second"):
        index_type_of(kind, {"nlist": 20}).build(vectors, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize("kind", IVF_KINDS)
def test_k_are_found_where_the_nearest_lists_are_deleted(kind: str, tmp_path: Path) -> None:
    vectors = clustered_vectors(4000)
    index_type_of(kind, {"nlist": 100}).build(vectors, tmp_path / "dense.faiss")
    remaining = np.argsort(vectors @ vectors[0])[:30]  # the farthest from what is asked
    id_rank = np.full(4000, -1, dtype=np.int32)
    id_rank[np.sort(remaining)] = np.arange(30)
    actual = IVFIndex(vectors, tmp_path / "dense.faiss", nprobe=1, rerank=20, id_rank=id_rank).search(vectors[:1], 20)
    assert set(actual.rows[0].tolist()) <= set(remaining.tolist())
    assert (actual.rows >= 0).all()
    all_left = IVFIndex(vectors, tmp_path / "dense.faiss", nprobe=1, rerank=20, id_rank=id_rank).search(vectors[:1], 40)
    assert (all_left.rows[0] >= 0).sum() == 30


@pytest.mark.parametrize("total", [1, 3, 17])
@pytest.mark.parametrize("kind", IVF_KINDS)
def test_few_vectors_are_an_index_too(kind: str, total: int, tmp_path: Path) -> None:
    vectors = random_vectors(total)
    index_type_of(kind, {"nlist": 50}).build(vectors, tmp_path / "dense.faiss")
    actual = IVFIndex(vectors, tmp_path / "dense.faiss", nprobe=50, rerank=50).search(vectors, 1)
    np.testing.assert_array_equal(actual.rows, ExactIndex(vectors).search(vectors, 1).rows)


def test_vectors_are_cut_into_equal_parts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vectors of dimension 12 cannot be cut into 5 equal parts; choose a divisor"):
        index_type_of("ivf-pq", {"nlist": 2, "parts": 5}).build(random_vectors(40), tmp_path / "dense.faiss")
    for dimension, segments in ((12, 3), (7, 1), (10, 2), (3, 1)):
        index_type_of("ivf-pq", {"nlist": 2}).build(random_vectors(1000)[:, :dimension], tmp_path / "dense.faiss")
        assert segments == faiss.read_index(str(tmp_path / "dense.faiss")).pq.M


class TestOpen:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        index_type_of("ivf-sq8", {"nlist": 4}).build(random_vectors(50), tmp_path / "dense.faiss")
        return tmp_path / "dense.faiss"

    @pytest.mark.parametrize("vectors", [random_vectors(49), random_vectors(50)[:, :8]])
    def test_other_vectors_are_refused(self, vectors: FloatArray, path: Path) -> None:
        with pytest.raises(IndexFormatError, match="FAISS index is of 50 vectors of dimension 12, but there are"):
            IVFIndex(vectors, path, nprobe=1, rerank=1)

    @pytest.mark.parametrize("kept", [0, 3, 100, -10])
    def test_a_cut_file_is_refused(self, kept: int, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(IndexFormatError, match=r"dense.faiss cannot be read by FAISS"):
            IVFIndex(random_vectors(50), path, nprobe=1, rerank=1)

    @pytest.mark.parametrize("other", [faiss.IndexFlatIP(12), faiss.index_factory(12, "IVF4,SQ8")], ids=["flat", "l2"])
    def test_another_kind_of_index_is_refused(self, other: faiss.Index, path: Path) -> None:
        other.train(random_vectors(50))
        other.add(random_vectors(50))
        faiss.write_index(other, str(path))
        with pytest.raises(IndexFormatError, match="is not an IndexIVF by inner product"):
            IVFIndex(random_vectors(50), path, nprobe=1, rerank=1)
