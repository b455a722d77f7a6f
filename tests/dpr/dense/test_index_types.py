from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.dense.faiss_index import FlatIndex, HNSWIndex
from dpr.dense.index_type import IndexType
from dpr.dense.index_types import INDEX_TYPES, index_type_of
from dpr.dense.ivf import IVFIndex
from dpr.errors import ConfigError
from tests.dpr.dense.contract import random_vectors


def test_each_kind_knows_its_name() -> None:
    assert {name: index_type.name for name, index_type in INDEX_TYPES.items()} == {name: name for name in INDEX_TYPES}


@pytest.mark.parametrize(
    ("kind", "index"),
    [("flat", FlatIndex), ("hnsw", HNSWIndex), *((name, IVFIndex) for name in ("ivf-fp16", "ivf-sq8", "ivf-pq"))],
)
def test_a_kind_opens_what_it_built(kind: str, index: type, tmp_path: Path) -> None:
    vectors = random_vectors(40)
    INDEX_TYPES[kind].build(vectors, tmp_path / "dense.faiss")
    reopened = INDEX_TYPES[kind].open(vectors, tmp_path / "dense.faiss", np.arange(40, dtype=np.int32))
    assert isinstance(reopened, index)
    assert reopened.search(vectors, 1).rows[:, 0].tolist() == list(range(40))


def test_flat_writes_nothing(tmp_path: Path) -> None:
    INDEX_TYPES["flat"].build(random_vectors(5), tmp_path / "dense.faiss")
    assert list(tmp_path.iterdir()) == []


def test_parameters_shape_the_graph(tmp_path: Path) -> None:
    sizes = []
    for m in (4, 32):
        index_type_of("hnsw", {"m": m}).build(random_vectors(100), tmp_path / f"{m}.faiss")
        sizes.append((tmp_path / f"{m}.faiss").stat().st_size)
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize(("kind", "known"), [("flat", "none"), ("hnsw", "m, ef_construction, ef_search")])
def test_an_unknown_parameter_is_refused(kind: str, known: str) -> None:
    message = f"the index type {kind!r} has no parameter 'nprobe'; its parameters: {known}"
    with pytest.raises(ConfigError, match=message):
        index_type_of(kind, {"nprobe": 3})


@pytest.mark.parametrize("parameters", [{"m": 1}, {"ef_construction": 0}, {"ef_search": 0}, {"ef_search": 2**31}])
def test_a_parameter_out_of_range_is_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"is \d+; choose from \d to 2147483647"):
        index_type_of("hnsw", parameters)


@pytest.mark.parametrize("kind", INDEX_TYPES.values(), ids=INDEX_TYPES)
def test_the_guide_has_the_facts_of_each_kind(kind: IndexType) -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "indexing.md").read_text(encoding="utf-8")
    (row,) = [line for line in guide.splitlines() if line.startswith(f"| `{kind.name}` |")]
    assert kind.summary in row
    for name, value in kind.parameters.items():
        assert f"`{name}={value}`" in row


@pytest.mark.parametrize(
    ("name", "meaning"), sorted({item for kind in INDEX_TYPES.values() for item in kind.meanings.items()})
)
def test_the_guide_says_what_each_parameter_means(name: str, meaning: str) -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "indexing.md").read_text(encoding="utf-8")
    assert f"| `{name}` | {meaning} |" in guide
