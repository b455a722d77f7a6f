"""The systems of ``dpr benchmark``: their names, and the indexes that are opened or built for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpr.cli.benchmark_systems import Opening, open_indexes, systems_of
from dpr.errors import ConfigError
from dpr.types import no_progress


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


def test_an_encoder_for_several_indexes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--encoder 'runs/pair' is for one index, and there are 2; leave it out"):
        open_indexes(["a", "e5=b"], Opening("runs/pair"), ["squad:dev.json"], tmp_path, no_progress)
