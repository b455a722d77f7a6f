from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from dpr.dense.exact import ExactIndex
from dpr.dense.faiss_index import MARGIN, FlatIndex, HNSWIndex, write_graph
from dpr.errors import IndexFormatError
from dpr.types import FloatArray, IntArray, VectorIndex
from tests.dpr.dense.contract import VectorIndexContract, clustered_vectors, random_vectors

EVERY_VECTOR = 200
"""An ef_search above the number of vectors of a contract test: the graph is then walked whole."""


class TestFlat(VectorIndexContract):
    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        return FlatIndex(vectors, id_rank)


class TestHNSW(VectorIndexContract):
    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        write_graph(vectors, folder / "dense.faiss", m=32, ef_construction=EVERY_VECTOR)
        return HNSWIndex.open(vectors, folder / "dense.faiss", EVERY_VECTOR, id_rank)


@pytest.mark.parametrize("questions", [1, 19, 20, 200])  # FAISS changes its algorithm at 20
def test_flat_is_exact(questions: int) -> None:
    vectors = clustered_vectors(3000)
    vectors[1000:2000] = vectors[:1000]
    rank = np.random.default_rng(0).permutation(3000)
    asked = vectors[500 : 500 + questions] + np.float32(0.01)
    actual, expected = FlatIndex(vectors, rank).search(asked, 10), ExactIndex(vectors, rank).search(asked, 10)
    np.testing.assert_array_equal(actual.rows, expected.rows)
    np.testing.assert_array_equal(actual.scores, expected.scores)


@pytest.mark.parametrize("copies", [MARGIN, 10 * MARGIN])
def test_flat_looks_at_every_row_that_ties_with_the_kth(copies: int) -> None:
    vectors = clustered_vectors(1000)
    vectors[100 : 100 + copies] = vectors[100]
    rank = np.arange(1000)[::-1].copy()  # the last copy has the first id
    questions = np.concatenate((vectors[100:101], vectors[:1]))
    actual, expected = FlatIndex(vectors, rank).search(questions, 3), ExactIndex(vectors, rank).search(questions, 3)
    assert expected.rows[0].tolist() == [99 + copies, 98 + copies, 97 + copies]
    np.testing.assert_array_equal(actual.rows, expected.rows)


def test_vectors_are_searched_where_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", clustered_vectors(100))
    vectors = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    write_graph(vectors, tmp_path / "dense.faiss", m=8, ef_construction=40)
    assert np.shares_memory(FlatIndex(vectors)._vectors, vectors)
    hnsw = HNSWIndex.open(vectors, tmp_path / "dense.faiss", ef_search=16)
    assert np.shares_memory(hnsw._vectors, vectors)
    assert not hnsw._storage.codes.is_owned


def test_the_graph_file_holds_no_vectors(tmp_path: Path) -> None:
    vectors = clustered_vectors(500, dimension=256)
    write_graph(vectors, tmp_path / "dense.faiss", m=8, ef_construction=40)
    assert (tmp_path / "dense.faiss").stat().st_size < vectors.nbytes / 4
    assert vectors[123].tobytes() not in (tmp_path / "dense.faiss").read_bytes()


def test_hnsw_finds_nearly_all_with_exact_scores(tmp_path: Path) -> None:
    vectors = clustered_vectors(4000)
    write_graph(vectors, tmp_path / "dense.faiss", m=32, ef_construction=100)
    questions = vectors[::40] + np.float32(0.02)
    actual = HNSWIndex.open(vectors, tmp_path / "dense.faiss", ef_search=128).search(questions, 10)
    expected = ExactIndex(vectors).search(questions, 10)
    shared = [len(set(ours) & set(theirs)) for ours, theirs in zip(actual.rows, expected.rows, strict=True)]
    assert np.mean(shared) / 10 > 0.95
    assert all(len(set(rows)) == 10 for rows in actual.rows.tolist())
    is_same = actual.rows == expected.rows
    np.testing.assert_array_equal(actual.scores[is_same], expected.scores[is_same])


@pytest.mark.parametrize("deleted", [0, 30])
def test_hnsw_finds_k_where_equal_vectors_cut_its_graph(deleted: int, tmp_path: Path) -> None:
    vectors = random_vectors(60, seed=1)
    vectors = np.concatenate((vectors, np.repeat(vectors[:1], 600, axis=0)))
    rank = np.arange(len(vectors))
    rank[:deleted] = -1
    write_graph(vectors, tmp_path / "dense.faiss", m=4, ef_construction=40)
    hnsw, flat = HNSWIndex.open(vectors, tmp_path / "dense.faiss", 16, rank), FlatIndex(vectors, rank)
    actual, expected = (index.search(vectors[:5], len(vectors) - deleted) for index in (hnsw, flat))
    assert (np.sort(actual.rows) == np.sort(expected.rows)).all()
    np.testing.assert_array_equal(actual.scores, expected.scores)


def test_hnsw_keeps_k_candidates_even_where_ef_search_is_lower(tmp_path: Path) -> None:
    vectors = clustered_vectors(400)
    write_graph(vectors, tmp_path / "dense.faiss", m=16, ef_construction=100)
    actual = HNSWIndex.open(vectors, tmp_path / "dense.faiss", ef_search=1).search(vectors[:5], 150)
    assert (actual.rows >= 0).all()


class TestOpenGraph:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        write_graph(random_vectors(50), tmp_path / "dense.faiss", m=8, ef_construction=40)
        return tmp_path / "dense.faiss"

    @pytest.mark.parametrize("vectors", [random_vectors(49), random_vectors(50)[:, :8]])
    def test_other_vectors_are_refused(self, vectors: FloatArray, path: Path) -> None:
        with pytest.raises(IndexFormatError, match="FAISS index is of 50 vectors of dimension 12, but there are"):
            HNSWIndex.open(vectors, path, ef_search=16)

    def test_an_absent_file_is_refused(self, path: Path) -> None:
        path.unlink()
        with pytest.raises(IndexFormatError, match=r"dense.faiss cannot be read by FAISS \(.*; build the index again"):
            HNSWIndex.open(random_vectors(50), path, ef_search=16)

    @pytest.mark.parametrize("kept", [0, 3, 100, -10])
    def test_a_cut_file_is_refused(self, kept: int, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(IndexFormatError, match=r"dense.faiss cannot be read by FAISS"):
            HNSWIndex.open(random_vectors(50), path, ef_search=16)

    @pytest.mark.parametrize(
        "other", [faiss.IndexFlatIP(12), faiss.IndexHNSWFlat(12, 8, faiss.METRIC_L2)], ids=["flat", "l2"]
    )
    def test_another_kind_of_index_is_refused(self, other: faiss.Index, path: Path) -> None:
        other.add(random_vectors(50))
        faiss.write_index(other, str(path))
        with pytest.raises(IndexFormatError, match="is not an IndexHNSW by inner product"):
            HNSWIndex.open(random_vectors(50), path, ef_search=16)
