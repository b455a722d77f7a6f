"""The vector indexes in PostgreSQL do what every vector index must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.dense.index_types import index_type_of
from dpr.dense.postgres.kinds import Postgres, PostgresHnsw
from dpr.dense.postgres.search import PostgresGraphIndex
from dpr.errors import ConfigError, DataError
from dpr.types import FloatArray, IntArray, Passage, VectorIndex
from index_builder.dense import DenseOptions
from tests.dpr.dense.contract import VectorIndexContract, clustered_vectors
from tests.small_index import small_index

pytestmark = pytest.mark.postgres


class PostgresContract(VectorIndexContract):
    kind = "postgres"

    @pytest.fixture
    def folder(self, tmp_path: Path, postgres: str) -> Path:
        return tmp_path

    def open(self, vectors: FloatArray, folder: Path, id_rank: IntArray | None = None) -> VectorIndex:
        index_type = index_type_of(self.kind)
        index_type.build(vectors, folder / "dense.faiss")
        return index_type.open(vectors, folder / "dense.faiss", id_rank)


class TestPostgres(PostgresContract):
    pass


class TestPostgresHnsw(PostgresContract):
    kind = "postgres-hnsw"


@pytest.fixture
def loaded(tmp_path: Path, postgres: str) -> tuple[FloatArray, Path]:
    vectors = clustered_vectors(3000)
    PostgresHnsw(m=8).build(vectors, tmp_path / "dense.faiss")
    return vectors, tmp_path / "dense.faiss"


def test_the_graph_finds_nearly_all(loaded: tuple[FloatArray, Path]) -> None:
    vectors, path = loaded
    questions = clustered_vectors(50)[::-1] + 0.01
    exact = Postgres().open(vectors, path).search(questions, 10)
    graph = PostgresHnsw(m=8).open(vectors, path).search(questions, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact.rows, graph.rows, strict=True)])
    assert recall > 0.9
    flat = index_type_of("flat").open(vectors, path).search(questions, 10)
    np.testing.assert_array_equal(exact.rows, flat.rows)
    np.testing.assert_array_equal(exact.scores, flat.scores)


def test_an_exact_search_stays_exact_after_many_along_the_graph(loaded: tuple[FloatArray, Path]) -> None:
    """The server may keep the plan of a statement that it has seen some times."""
    vectors, path = loaded
    graph = PostgresHnsw(m=8, ef_search=10).open(vectors, path)
    for number in range(12):
        graph.search(vectors[number : number + 1], 2000)
    expected = index_type_of("flat").open(vectors, path).search(vectors[:3], 2000)
    np.testing.assert_array_equal(Postgres().open(vectors, path).search(vectors[:3], 2000).rows, expected.rows)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5])
def test_the_graph_has_k_rows_of_a_selection(share: float, loaded: tuple[FloatArray, Path]) -> None:
    vectors, path = loaded
    rank = np.arange(3000)
    rank[np.random.default_rng(1).random(3000) > share] = -1
    index = PostgresHnsw(m=8, ef_search=40).open(vectors, path).selecting(rank)
    assert isinstance(index, PostgresGraphIndex)
    top = index.search(vectors[:5], 20)
    expected = min(20, int((rank >= 0).sum()))
    assert ((top.rows >= 0).sum(axis=1) == expected).all()
    assert (rank[top.rows[top.rows >= 0]] >= 0).all()


def test_more_rows_than_the_graph_has_candidates_are_given(loaded: tuple[FloatArray, Path]) -> None:
    vectors, path = loaded
    top = PostgresHnsw(m=8, ef_search=10).open(vectors, path).search(vectors[:2], 2500)
    assert (top.rows >= 0).all()
    assert [len(set(rows)) for rows in top.rows.tolist()] == [2500, 2500]


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        ({"m": 101}, "m is 101, but pgvector takes at most 100"),
        ({"ef_search": 1001}, "ef_search is 1001, but pgvector takes at most 1000"),
        ({"m": 64, "ef_construction": 100}, "ef_construction is 100, but pgvector needs at least twice m"),
    ],
)
def test_parameters_that_pgvector_refuses_are_refused_before(parameters: dict[str, int], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        index_type_of("postgres-hnsw", parameters)


@pytest.mark.parametrize(("kind", "dimension"), [("postgres", 16_001), ("postgres-hnsw", 2_001)])
def test_vectors_too_long_for_pgvector_are_refused(kind: str, dimension: int) -> None:
    with pytest.raises(ConfigError, match=f"vectors of {dimension} numbers are too long for pgvector"):
        index_type_of(kind).check_dimension(dimension)


@pytest.mark.parametrize("dimension", [1, 768, 2000, 4096])
def test_vectors_of_any_length_are_searched(dimension: int, tmp_path: Path, postgres: str) -> None:
    vectors = np.random.default_rng(0).standard_normal((40, dimension)).astype(np.float32)
    Postgres().build(vectors, tmp_path / "dense.faiss")
    top = Postgres().open(vectors, tmp_path / "dense.faiss").search(vectors[:3] * 100, 5)
    expected = index_type_of("flat").open(vectors, tmp_path).search(vectors[:3] * 100, 5)
    np.testing.assert_array_equal(top.rows, expected.rows)


@pytest.mark.parametrize("dimension", [384, 768])
@pytest.mark.parametrize("kind", ["postgres", "postgres-hnsw"])
def test_the_space_in_the_database_is_estimated(kind: str, dimension: int, tmp_path: Path, postgres: str) -> None:
    import psycopg

    from dpr.dense.external import existing_record

    vectors = np.random.default_rng(0).standard_normal((2000, dimension)).astype(np.float32)
    index_type_of(kind).build(vectors, tmp_path / "dense.faiss")
    with psycopg.connect(postgres) as connection:
        query = "SELECT pg_total_relation_size(%s::regclass)"
        row = connection.execute(query, [existing_record(tmp_path / "dense.faiss").table]).fetchone()
    assert row is not None
    assert index_type_of(kind).database_bytes(2000, dimension) == pytest.approx(row[0], rel=0.15)


def test_a_text_that_postgresql_cannot_hold_is_refused(tmp_path: Path) -> None:
    passages = [Passage("a", "word", metadata={"code": "x\0y"})]
    with pytest.raises(DataError, match="the field 'code' of a passage has a NUL character"):
        small_index(tmp_path / "index", passages, dense=DenseOptions("postgres"))
