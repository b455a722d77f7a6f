"""The vector indexes in Milvus do what every vector index must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.dense.external import existing_record
from dpr.dense.index_type import SegmentContent
from dpr.dense.index_types import index_type_of
from dpr.dense.milvus import collection, search
from dpr.dense.milvus.kinds import Milvus, MilvusHnsw
from dpr.dense.milvus.search import MilvusFlatIndex, MilvusGraphIndex
from dpr.errors import ConfigError
from dpr.filters import Condition, Filter, Not, parse
from dpr.search.open import open_index
from dpr.types import FloatArray, IntArray, Passage, VectorIndex
from index_builder.dense import DenseOptions
from index_builder.external import load_tables
from tests.dpr.dense.contract import VectorIndexContract, clustered_vectors, random_vectors
from tests.dpr.search.test_filtered import filtered
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index
from tests.stores.milvus_server import MilvusServer
from tests.stores.store import MilvusStore

pytestmark = pytest.mark.milvus


class MilvusContract(VectorIndexContract):
    kind = "milvus"

    @pytest.fixture
    def folder(self, tmp_path: Path, milvus: str) -> Path:
        return tmp_path

    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        index_type = index_type_of(self.kind)
        index_type.build(vectors, folder / "dense.faiss")
        return index_type.open(vectors, folder / "dense.faiss", id_rank)


class TestMilvus(MilvusContract):
    pass


class TestMilvusHnsw(MilvusContract):
    kind = "milvus-hnsw"


@pytest.fixture
def loaded(tmp_path: Path, milvus: str) -> tuple[FloatArray, Path]:
    vectors = clustered_vectors(3000)
    MilvusHnsw(m=8).build(vectors, tmp_path / "dense.faiss")
    return vectors, tmp_path / "dense.faiss"


def test_the_graph_finds_nearly_all(loaded: tuple[FloatArray, Path]) -> None:
    vectors, path = loaded
    questions = clustered_vectors(50)[::-1] + 0.01
    graph = MilvusHnsw(m=8).open(vectors, path).search(questions, 10)
    flat = index_type_of("flat").open(vectors, path).search(questions, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(flat.rows, graph.rows, strict=True)])
    assert recall > 0.9


def test_wider_searches_find_more(loaded: tuple[FloatArray, Path]) -> None:
    vectors, path = loaded
    questions = clustered_vectors(200)[::-1] + 0.3
    exact = index_type_of("flat").open(vectors, path).search(questions, 10)
    recalls = []
    for width in (10, 400):
        graph = MilvusHnsw(m=8, ef_search=width).open(vectors, path).search(questions, 10)
        recalls.append(np.mean([len(set(a) & set(b)) for a, b in zip(exact.rows, graph.rows, strict=True)]))
    assert recalls[0] < recalls[1]  # so the graph is there, and the number of candidates reaches it


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_the_graph_has_k_rows_where_others_are_deleted(share: float, loaded: tuple[FloatArray, Path]) -> None:
    vectors, path = loaded
    rank = np.arange(3000)
    rank[np.random.default_rng(1).random(3000) > share] = -1
    index = MilvusHnsw(m=8, ef_search=40).open(vectors, path, rank)
    assert isinstance(index, MilvusGraphIndex)
    top = index.search(vectors[:5], 20)
    assert ((top.rows >= 0).sum(axis=1) == 20).all()
    assert (rank[top.rows] >= 0).all()


@pytest.mark.parametrize("kind", ["milvus", "milvus-hnsw"])
def test_more_rows_than_milvus_returns_are_given(
    kind: str, loaded: tuple[FloatArray, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_ROWS", 100)
    vectors, path = loaded
    rank = np.random.default_rng(1).permutation(3000)
    rank[rank % 3 == 0] = -1
    top = index_type_of(kind).open(vectors, path, rank).search(vectors[:2], 1500)
    expected = index_type_of("flat").open(vectors, path, rank).search(vectors[:2], 1500)
    np.testing.assert_array_equal(top.rows, expected.rows)
    np.testing.assert_array_equal(top.scores, expected.scores)


def test_lost_rows_are_loaded_again(tmp_path: Path, milvus: str, milvus_server: MilvusServer) -> None:
    root, store = tmp_path / "index", MilvusStore(milvus, milvus_server)
    small_index(root, dense=DenseOptions("milvus"))
    (name,) = store.tables()
    store.remove_row(name)
    load_tables(root)
    assert store.count(name) == len(PASSAGES)


def test_rows_that_a_server_loses_in_an_import_are_written_again(
    tmp_path: Path, milvus: str, milvus_server: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "BLOCK_VECTORS", 10)
    vectors, path, store = random_vectors(40), tmp_path / "dense.faiss", MilvusStore(milvus, milvus_server)

    def lose(_stage: str, written: int, _total: int | None) -> None:
        if written == 20:
            store.remove_row(existing_record(path).table)

    Milvus().build_segment(SegmentContent(vectors), path, lose)
    assert Milvus().check(vectors, path).startswith("40 vectors")


LONG = "나" * 30_000  # 90,000 bytes, more than a text of Milvus
CONDITIONS = ["long prefix '나'", "NOT long exists", "n > 0 AND NOT long == 'b'", "title == '' AND n in (0, 1)"]


@pytest.mark.parametrize("text", CONDITIONS)
@pytest.mark.parametrize("kind", ["milvus", "milvus-hnsw"])
def test_a_field_that_milvus_cannot_hold_is_tested_here(kind: str, text: str, tmp_path: Path) -> None:
    passages = [Passage(f"p{n}", "word", metadata={"n": n, "long": value}) for n, value in enumerate(["a", "b", LONG])]
    hits = {}
    for each in ("flat", kind):
        small_index(tmp_path / each, [*passages, Passage("p3", "word", metadata={"n": 3})], dense=DenseOptions(each))
        index = open_index(tmp_path / each, HashEncoder(), WordAnalyzer())
        hits[each] = filtered(index, "dense", "word", parse(text), 10)
    assert hits[kind] == hits["flat"] != []


@pytest.mark.parametrize(
    ("condition", "is_in_database"),
    [
        (Condition("s", "contains", "50%"), False),
        (Condition("s", "contains", "a.b(c"), True),
        (Not(Condition("s", "==", 'quote " back \\ line \n tab \t 한글 🙂')), True),
        (Condition("tags", "prefix", "x"), False),
        (Condition("tags", "in", ("x", "y")), True),
    ],
)
def test_a_filter_goes_to_the_database_where_it_says_the_same(
    condition: Filter, is_in_database: bool, tmp_path: Path
) -> None:
    texts = ["50% off", "500", "a.b(c\nd", 'quote " back \\ line \n tab \t 한글 🙂', "A.B(C"]
    passages = [
        Passage(f"p{n}", "word", metadata={"s": text, "tags": [["x", "z"], ["y"], ["xy"]][n % 3]})
        for n, text in enumerate(texts)
    ]
    hits = {}
    for kind in ("flat", "milvus"):
        small_index(tmp_path / kind, [*passages, Passage("none", "word")], dense=DenseOptions(kind))
        index = open_index(tmp_path / kind, HashEncoder(), WordAnalyzer())
        hits[kind] = filtered(index, "dense", "word", condition, 10)
        search_of_filter = index.filtered.resources(condition).vector_index()
    assert hits["milvus"] == hits["flat"] != []
    assert isinstance(search_of_filter, MilvusFlatIndex) == is_in_database


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [({"m": 2049}, "m is 2049, but Milvus takes at most 2048"), ({"ef_search": 40_000}, "ef_search is 40000, but")],
)
def test_parameters_that_milvus_refuses_are_refused_before(parameters: dict[str, int], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        index_type_of("milvus-hnsw", parameters)


@pytest.mark.parametrize("dimension", [1, 32_769])
def test_vectors_that_milvus_cannot_hold_are_refused(dimension: int) -> None:
    with pytest.raises(ConfigError, match=f"Milvus cannot hold vectors of {dimension} numbers"):
        index_type_of("milvus").check_dimension(dimension)


@pytest.mark.parametrize("dimension", [2, 768, 4096])
def test_vectors_of_any_length_are_searched(dimension: int, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((40, dimension)).astype(np.float32)
    Milvus().build(vectors, tmp_path / "dense.faiss")
    top = Milvus().open(vectors, tmp_path / "dense.faiss").search(vectors[:3] * 100, 5)
    expected = index_type_of("flat").open(vectors, tmp_path).search(vectors[:3] * 100, 5)
    np.testing.assert_array_equal(top.rows, expected.rows)


@pytest.mark.parametrize("kind", ["milvus", "milvus-hnsw"])
def test_the_space_in_the_database_is_estimated(kind: str, tmp_path: Path, milvus_server: MilvusServer) -> None:
    vectors = np.random.default_rng(0).standard_normal((5000, 384)).astype(np.float32)
    before = milvus_server.data_bytes()
    index_type_of(kind).build(vectors, tmp_path / "dense.faiss")
    added = milvus_server.data_bytes() - before
    assert index_type_of(kind).database_bytes(5000, 384) == pytest.approx(added, rel=0.15)
