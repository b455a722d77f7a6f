"""The systems of ``dpr benchmark``: their names, and the indexes that are opened or built for them."""

from __future__ import annotations

import pytest

from dpr.cli.benchmark_systems import systems_of


@pytest.mark.parametrize(
    ("retrievers", "others", "names"),
    [
        ("bm25, dense", [], ["bm25", "bm25+rerank", "dense", "dense+rerank"]),
        ("bm25+rerank,bm25", [], ["bm25+rerank", "bm25"]),
        ("bm25,bm25+rerank", ["e5"], ["bm25", "bm25+rerank", "e5/dense", "e5/dense+rerank"]),
        ("bm25,bm25", [], ["bm25", "bm25+rerank"] * 2),  # which is refused
    ],
)
def test_each_retriever_is_measured_also_reranked(retrievers: str, others: list[str], names: list[str]) -> None:
    assert systems_of(retrievers, others, is_reranked=True) == names
