from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dpr.dense.index_type import SegmentContent
from dpr.dense.index_types import index_type_of
from dpr.errors import ConfigError
from dpr.types import FloatArray, Passage, Progress, no_progress
from index_builder.dense import DenseOptions, build_dense
from index_builder.recall import Probes, least_recall
from tests.fakes import HashEncoder
from tests.small_index import small_index


class NeverCalled(HashEncoder):
    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        raise AssertionError("passages were encoded")


@pytest.fixture
def vectors() -> FloatArray:
    drawn = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    normalized: FloatArray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return normalized


def test_flat_writes_nothing_and_needs_no_recall(vectors: FloatArray, tmp_path: Path) -> None:
    record = build_dense(DenseOptions("flat"), SegmentContent(vectors), tmp_path / "dense.faiss")
    assert (record.kind, record.recall) == ("flat", None)
    assert not (tmp_path / "dense.faiss").exists()


def test_hnsw_records_its_parameters_and_its_recall(vectors: FloatArray, tmp_path: Path) -> None:
    record = build_dense(DenseOptions("hnsw", {"m": 16}), SegmentContent(vectors), tmp_path / "dense.faiss")
    assert (tmp_path / "dense.faiss").stat().st_size > 0
    assert dict(record.parameters) == {"m": 16, "ef_construction": 200, "ef_search": 128}
    assert record.recall is not None
    assert 0.9 < record.recall <= 1.0


@pytest.fixture
def many() -> FloatArray:
    return np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)


@pytest.mark.parametrize("kind", ["hnsw", "ivf-fp16", "ivf-sq8", "ivf-pq"])
def test_a_search_is_chosen_that_reaches_the_recall(kind: str, many: FloatArray, tmp_path: Path) -> None:
    record = build_dense(DenseOptions(kind, target_recall=0.9), SegmentContent(many), tmp_path / "dense.faiss")
    assert record.kind == kind
    assert [path.name for path in tmp_path.iterdir()] == ["dense.faiss"]
    index = index_type_of(kind, record.parameters).open(many, tmp_path / "dense.faiss")
    measured = {depth: Probes(many).recall_at(depth, index) for depth in (10, 100)}
    assert min(measured.values()) >= 0.9
    chosen = [point for point in record.curve if point.parameters.items() <= record.parameters.items()]
    assert [point.recall_at_10 for point in chosen if point.kind == kind] == [record.recall] == [measured[10]]
    reaching = [
        point for point in record.curve if point.kind == kind and min(point.recall_at_10, point.recall_at_100) >= 0.9
    ]
    assert min(reaching, key=lambda point: point.milliseconds) in chosen


def test_a_search_is_wide_enough_for_questions_too(many: FloatArray, tmp_path: Path) -> None:
    away = np.random.default_rng(1).standard_normal((50, 16)).astype(np.float32) - many.mean(axis=0) * 50
    options = DenseOptions("ivf-sq8", target_recall=0.9)
    record = build_dense(options, SegmentContent(many), tmp_path / "dense.faiss", question_vectors=away)
    [*narrower, chosen] = [point for point in record.curve if point.kind == "ivf-sq8"]
    assert min(chosen.question_recall_at_10 or 0, chosen.question_recall_at_100 or 0) >= 0.9
    assert all(least_recall(point) < 0.9 for point in narrower)
    assert record.recall == chosen.recall_at_10


def test_the_kind_is_chosen_too(many: FloatArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        build_dense(DenseOptions("auto", target_recall=0.9), SegmentContent(many), tmp_path / "dense.faiss").kind
        == "flat"
    )
    monkeypatch.setattr("index_builder.dense.ALWAYS_EXACT", 100)
    record = build_dense(DenseOptions("auto", target_recall=0.9), SegmentContent(many), tmp_path / "dense.faiss")
    assert {point.kind for point in record.curve} == {"flat", "hnsw", "ivf-sq8"}
    reaching = [point for point in record.curve if min(point.recall_at_10, point.recall_at_100) >= 0.9]
    assert record.kind == min(reaching, key=lambda point: point.milliseconds).kind
    assert (tmp_path / "dense.faiss").exists() == (record.kind != "flat")
    assert not list(tmp_path.glob("*-dense.faiss"))


def test_what_cannot_reach_the_recall_is_not_taken(
    many: FloatArray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = build_dense(
        DenseOptions("ivf-pq", {"parts": 1, "rerank": 1, "nlist": 8}, target_recall=1.0),
        SegmentContent(many),
        tmp_path / "dense.faiss",
    )
    assert (record.kind, record.recall) == ("flat", None)
    assert {point.kind for point in record.curve} == {"flat", "ivf-pq"}
    assert not list(tmp_path.iterdir())
    assert "no faster search of ivf-pq reached recall 1.0; using exact search" in caplog.text


@pytest.mark.parametrize(
    ("kind", "parameters", "cause"),
    [
        (
            "annoy",
            {},
            "unknown index type 'annoy'; choose flat .exact., hnsw, ivf-fp16, ivf-sq8, ivf-pq, .* or auto",
        ),
        ("flat", {"m": 32}, "'flat' has no parameter 'm'"),
        ("hnsw", {"m": 0}, "m .neighbours of a vector in the graph. is 0; choose from 2"),
        ("auto", {}, "'auto' needs a target_recall, such as 0.99, and no parameters"),
    ],
)
def test_what_cannot_be_built_is_refused_at_once(kind: str, parameters: dict[str, int], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        DenseOptions(kind, parameters)


def test_parts_that_the_vectors_cannot_be_cut_into_are_refused_before_encoding(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="vectors of dimension 32 cannot be cut into 24 equal parts; choose a divisor"
    ):
        small_index(tmp_path / "index", encoder=NeverCalled(), dense=DenseOptions("ivf-pq", {"parts": 24}))
    assert not (tmp_path / "index").exists()
    small_index(tmp_path / "index", dense=DenseOptions("ivf-pq", {"parts": 16}))


def test_an_exact_kind_has_no_recall_to_choose() -> None:
    with pytest.raises(ConfigError, match="'flat' is exact"):
        DenseOptions("flat", target_recall=0.9)


@pytest.mark.parametrize("target", [0.0, 1.5])
def test_a_recall_is_a_share(target: float) -> None:
    with pytest.raises(ConfigError, match="give a share above 0"):
        DenseOptions("hnsw", target_recall=target)
