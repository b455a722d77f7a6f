"""Fusions of a benchmark: by the names of lists, and of each system its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.benchmark.side_by_side import SideBySide
from dpr.errors import RequestError
from dpr.search.fusion import Fusion
from dpr.search.open import OpenIndex, open_index
from dpr.search.record import DEFAULT_FUSION, save_fusion
from dpr.types import Example, Question
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index

EXAMPLES = [Example(Question(f"q{number}", passage.text), (passage,)) for number, passage in enumerate(PASSAGES)]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("indexes")
    small_index(folder / "first")
    small_index(folder / "other", encoder=HashEncoder("hash-2"))
    return folder / "first", folder / "other"


@pytest.fixture
def index(roots: tuple[Path, Path]) -> OpenIndex:
    return opened(roots[0])


def opened(root: Path, fingerprint: str = "hash-1") -> OpenIndex:
    return open_index(root, encoder=HashEncoder(fingerprint), analyzer=WordAnalyzer())


def test_any_lists_are_fused_by_their_names(index: OpenIndex) -> None:
    [hits] = index.retriever("bm25+tfidf+dense").search(["capital of France"], 3)
    assert set(hits[0].lists) == {"bm25", "tfidf", "dense"}
    assert hits[0].passage_id == "paris"
    for name, cause in (("bm25+bm25", "names a list twice"), ("hybrid+bm25", "fuses hybrid, which is a fusion itself")):
        with pytest.raises(RequestError, match=cause):
            index.retriever(name)
    with pytest.raises(RequestError, match="unknown retriever 'other'"):
        index.retriever("bm25+other")


def test_each_system_reports_its_own_fusion(index: OpenIndex, roots: tuple[Path, Path], tmp_path: Path) -> None:
    recorded = Fusion("minmax", {"dense": 0.9, "bm25": 0.1}, depth=50)
    shutil.copytree(roots[1], tmp_path / "other")
    save_fusion(tmp_path / "other", recorded)
    both = SideBySide(index, {"e5": opened(tmp_path / "other", "hash-2")})
    names = ["bm25", "hybrid", "e5/hybrid", "bm25+dense"]
    report = benchmark(both, EXAMPLES, BenchmarkOptions(names, [1]), tmp_path / "report")
    assert {name: system.fusion for name, system in report.systems.items()} == {
        "bm25": None,
        "hybrid": DEFAULT_FUSION,
        "e5/hybrid": recorded,
        "bm25+dense": Fusion("zscore", {"bm25": 0.5, "dense": 0.5}),
    }
    written = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))["systems"]
    assert written["bm25"]["fusion"] is None
    assert written["bm25+dense"]["fusion"]["weights"] == {"bm25": 0.5, "dense": 0.5}
    for name in ("report.md", "report.html"):
        text = (tmp_path / "report" / name).read_text(encoding="utf-8")
        assert "minmax, weights dense 0.9, bm25 0.1, coverage power 0, 50 candidates of each list" in text
        assert text.count("candidates of each list") == 3

    named = Fusion("rrf", {"dense": 0.5, "bm25": 0.5})
    report = benchmark(both, EXAMPLES, BenchmarkOptions(names[1:], [1], fusion=named), tmp_path / "report")
    assert [system.fusion for system in report.systems.values()] == [named] * 3


def test_a_fusion_is_for_the_indexes_whose_retrievers_fuse(
    index: OpenIndex, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    both = SideBySide(index, {"e5": opened(roots[1], "hash-2")})
    options = BenchmarkOptions(["bm25", "e5/hybrid"], [1], fusion=Fusion("rrf"))
    report = benchmark(both, EXAMPLES, options, tmp_path)
    assert report.systems["e5/hybrid"].fusion == Fusion("rrf", {"dense": 0.5, "bm25": 0.5})
