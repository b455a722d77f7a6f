"""A new kind of vector index is one class and one entry: estimate, build, verify, search, add and compact take it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from typer.testing import CliRunner

from dpr.dense.exact import ExactIndex
from dpr.dense.index_type import IndexType, parameter
from dpr.dense.index_types import INDEX_TYPES
from dpr.errors import ConfigError, IndexFormatError
from dpr.filters import Filter
from dpr.search.open import open_index
from dpr.types import FloatArray, IntArray, Passage, RankArray, TopK, VectorIndex
from index_builder import cli, update
from index_builder.dense import DenseOptions
from index_builder.summary import summary
from index_builder.update import AddOptions, add, compact
from index_builder.verify import verify_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index, write_jsonl

MANY = [Passage(f"p{number:03}", f"{number} {number + 1} {number + 2}") for number in range(120)]


class BucketIndex:
    """The exact search among the rows whose first numbers are nearest to a question's."""

    def __init__(self, vectors: FloatArray, heads: FloatArray, width: int, id_rank: RankArray | None) -> None:
        self._vectors, self._heads, self._width, self._id_rank = vectors, heads, width, id_rank

    def search(self, questions: FloatArray, k: int) -> TopK:
        actual = [self._search_one(question, k) for question in questions]
        return TopK(np.concatenate([top.rows for top in actual]), np.concatenate([top.scores for top in actual]))

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> VectorIndex:
        return BucketIndex(self._vectors, self._heads, self._width, id_rank)

    def _search_one(self, question: FloatArray, k: int) -> TopK:
        near: IntArray = np.sort(np.argsort(np.abs(self._heads - question[0]), kind="stable")[: self._width])
        rank = None if self._id_rank is None else self._id_rank[near]
        top = ExactIndex(self._vectors[near], rank).search(question[np.newaxis], k)
        return replace(top, rows=np.where(top.rows < 0, -1, near[top.rows]))


@dataclass(frozen=True)
class Buckets(IndexType):
    name = "buckets"
    summary = "looks at the vectors whose first number is near the question's"

    width: int = parameter(40, meaning="vectors that a search looks at")

    def build(self, vectors: FloatArray, path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, vectors[:, 0], allow_pickle=False)

    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        return BucketIndex(vectors, np.load(path), self.width, id_rank)

    def disk_bytes(self, vectors: int, dimension: int) -> float:
        return vectors * 4 + 128

    def memory_bytes(self, vectors: int, dimension: int) -> float:
        return self.disk_bytes(vectors, dimension)

    def searches(self, vectors: int) -> Iterator[Iterable[Self]]:
        yield (replace(self, width=width) for width in (10, vectors // 2, vectors))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INDEX_TYPES, "buckets", Buckets())


def nearest(root: Path, question: str) -> str:
    index = open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())
    return index.retriever("dense").search([question], 3)[0][0].passage_id


def test_it_is_built_verified_and_searched(tmp_path: Path) -> None:
    root = tmp_path / "index"
    manifest = small_index(root, MANY, dense=DenseOptions("buckets", {"width": 60}))
    assert manifest.dense is not None
    assert (manifest.dense.kind, dict(manifest.dense.parameters)) == ("buckets", {"width": 60})
    assert manifest.dense.recall is not None
    assert 0.2 < manifest.dense.recall < 1.0
    assert summary(manifest)["dense_kind"] == "buckets"
    checks = verify_index(root, WordAnalyzer()).checks
    assert checks["dense recall"].endswith("of the nearest ten")
    assert nearest(root, "7 8 9") == "p007"


def test_its_search_is_chosen_by_a_target_recall(tmp_path: Path) -> None:
    dense = small_index(tmp_path / "index", MANY, dense=DenseOptions("buckets", target_recall=1.0)).dense
    assert dense is not None
    assert (dense.kind, dict(dense.parameters), dense.recall) == ("buckets", {"width": 120}, 1.0)
    assert [dict(point.parameters) for point in dense.curve] == [{}, {"width": 10}, {"width": 60}, {"width": 120}]


def test_passages_are_added_and_segments_made_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "SMALL_SEGMENT", 0)
    root = tmp_path / "index"
    small_index(root, MANY[:80], dense=DenseOptions("buckets", {"width": 50}))
    more = AddOptions(sources=(write_jsonl(tmp_path / "more.jsonl", MANY[80:]),), index=root)
    manifest = add(more, HashEncoder(), WordAnalyzer())
    kinds = [segment.dense.kind for segment in manifest.segments if segment.dense]
    assert kinds == ["buckets", "buckets"]
    assert (nearest(root, "7 8 9"), nearest(root, "101 102 103")) == ("p007", "p101")
    whole = compact(root, WordAnalyzer())
    assert whole.dense is not None
    assert (whole.dense.kind, dict(whole.dense.parameters)) == ("buckets", {"width": 50})
    assert nearest(root, "101 102 103") == "p101"


def test_its_cost_is_estimated(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl", MANY)
    options = ["--dimension", "32", "--analyzer", "words", "--dense-kind", "buckets", "--passages", "1000", "--json"]
    ran = CliRunner().invoke(cli.app, ["estimate", "--corpus", source, *options])
    told: dict[str, Any] = json.loads(ran.stdout)
    assert told["disk_bytes"]["dense"] == 1000 * 4 + 128
    assert "dense" in told["seconds"]


def test_its_parameters_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"width \(vectors that a search looks at\) is 0; choose from 1"):
        DenseOptions("buckets", {"width": 0})


def test_an_index_of_a_kind_that_is_gone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "index"
    small_index(root, MANY, dense=DenseOptions("buckets"))
    monkeypatch.delitem(INDEX_TYPES, "buckets")
    more = AddOptions(sources=(write_jsonl(tmp_path / "more.jsonl", [Passage("new", "new")]),), index=root)
    for use in (lambda: nearest(root, "7 8 9"), lambda: add(more, HashEncoder(), WordAnalyzer())):
        with pytest.raises(IndexFormatError, match=r"unknown index type 'buckets'.*rebuild with dpr-index"):
            use()
