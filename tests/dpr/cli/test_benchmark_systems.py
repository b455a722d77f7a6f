"""The systems of ``dpr benchmark``: their names, and the indexes that are opened or built for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dpr.cli.benchmark_systems import Opening, build_pool, open_indexes, systems_of
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError
from dpr.search.open import open_index
from dpr.store.generation import read_current
from dpr.types import no_progress
from index_builder.from_python import IndexOptions, build_index


@pytest.mark.parametrize(
    ("retrievers", "others", "names"),
    [
        ("bm25, dense", [], ["bm25", "bm25+rerank", "dense", "dense+rerank"]),
        ("bm25+rerank,bm25", [], ["bm25+rerank", "bm25"]),
        ("bm25,bm25+rerank", ["e5"], ["bm25", "bm25+rerank", "e5/dense", "e5/dense+rerank"]),
        ("bm25,bm25", [], ["bm25", "bm25+rerank"] * 2),  # which is refused
        (None, [], ["bm25", "bm25+rerank", "tfidf", "tfidf+rerank"]),
    ],
)
def test_each_retriever_is_measured_also_reranked(retrievers: str | None, others: list[str], names: list[str]) -> None:
    available = ("bm25", "tfidf", "rank-bm25", "e5/dense", "e5/bm25")
    assert systems_of(retrievers, available, others, is_reranked=True) == names


def test_all_four_retrievers_of_a_full_index_are_compared_by_default() -> None:
    available = ("dense", "bm25", "tfidf", "splade", "hybrid", "e5/dense", "e5/bm25")
    assert systems_of(None, available, [], is_reranked=False) == ["bm25", "tfidf", "dense", "hybrid"]
    assert systems_of(None, available, ["e5"], is_reranked=False) == ["bm25", "tfidf", "dense", "hybrid", "e5/dense"]


def test_indexes_without_vectors_are_compared_by_bm25(tmp_path: Path) -> None:
    (tmp_path / "pool.jsonl").write_text('{"text": "first"}', encoding="utf-8")
    for name in ("one", "two"):
        build_index(tmp_path / "pool.jsonl", tmp_path / name, encoder=None, options=IndexOptions("words"))
    indexes = [str(tmp_path / "one"), f"two={tmp_path / 'two'}"]
    opened, available = open_indexes(indexes, Opening(None), ["squad:dev.json"], tmp_path / "out", no_progress)
    systems = systems_of(None, available, ["two"], is_reranked=False)
    assert systems == ["bm25", "tfidf", "two/bm25"]
    assert all(opened.retriever(name) for name in systems)


def test_an_encoder_for_several_indexes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--encoder 'runs/pair' is for one index, and there are 2; leave it out"):
        open_indexes(["a", "e5=b"], Opening("runs/pair"), ["squad:dev.json"], tmp_path, no_progress)


def texts_of(root: Path) -> list[str]:
    return [passage.text for passage in open_index(root).passages]


def test_an_index_of_the_same_content_is_used_again(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source, opening, root = tmp_path / "pool.jsonl", Opening(str(tiny_checkpoint)), tmp_path / "index"
    source.write_text('{"text": "first"}', encoding="utf-8")
    build_pool([str(source)], root, opening, no_progress)
    generation = read_current(root).name
    os.utime(source, (2e9, 2e9))
    build_pool([str(source)], root, opening, no_progress)
    assert read_current(root).name == generation

    source.write_text('{"text": "other"}', encoding="utf-8")
    os.utime(source, (1e9, 1e9))  # as a copy that keeps the time of an older file
    build_pool([str(source)], root, opening, no_progress)
    assert texts_of(root) == ["other"]

    source.write_text('{"text": "café"}', encoding="utf-8")
    build_pool([str(source)], root, opening, no_progress)
    build_pool([str(source)], root, Opening(str(tiny_checkpoint), rules=ReadRules("latin-1")), no_progress)
    assert texts_of(root) == ["cafÃ©"]
    (tmp_path / "index-sources.json").write_text("{", encoding="utf-8")
    build_pool([str(source)], root, opening, no_progress)
    assert texts_of(root) == ["café"]
