from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.dense.faiss_index import FlatIndex, HNSWIndex
from dpr.dense.ivf import CODES, IVFIndex
from dpr.dense.kinds import KINDS
from dpr.errors import ConfigError
from tests.dpr.dense.contract import random_vectors


def test_each_kind_knows_its_name() -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}


@pytest.mark.parametrize(
    ("kind", "index"), [("flat", FlatIndex), ("hnsw", HNSWIndex), *((name, IVFIndex) for name in CODES)]
)
def test_a_kind_opens_what_it_built(kind: str, index: type, tmp_path: Path) -> None:
    vectors = random_vectors(40)
    KINDS[kind].build(vectors, tmp_path / "dense.faiss", {})
    opened = KINDS[kind].open(vectors, tmp_path / "dense.faiss", {}, np.arange(40, dtype=np.int32))
    assert isinstance(opened, index)
    assert opened.search(vectors, 1).rows[:, 0].tolist() == list(range(40))


def test_flat_writes_nothing(tmp_path: Path) -> None:
    KINDS["flat"].build(random_vectors(5), tmp_path / "dense.faiss", {})
    assert list(tmp_path.iterdir()) == []


def test_parameters_shape_the_graph(tmp_path: Path) -> None:
    sizes = []
    for m in (4, 32):
        KINDS["hnsw"].build(random_vectors(100), tmp_path / f"{m}.faiss", {"m": m})
        sizes.append((tmp_path / f"{m}.faiss").stat().st_size)
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize(("kind", "known"), [("flat", "none"), ("hnsw", "m, ef_construction, ef_search")])
def test_an_unknown_parameter_is_refused(kind: str, known: str, tmp_path: Path) -> None:
    message = f"the dense kind {kind!r} has no parameter 'nprobe'; its parameters: {known}"
    with pytest.raises(ConfigError, match=message):
        KINDS[kind].build(random_vectors(5), tmp_path / "dense.faiss", {"nprobe": 3})
    with pytest.raises(ConfigError, match=message):
        KINDS[kind].open(random_vectors(5), tmp_path / "dense.faiss", {"nprobe": 3})


@pytest.mark.parametrize("parameters", [{"m": 1}, {"ef_construction": 0}, {"ef_search": 0}])
def test_a_parameter_out_of_range_is_refused(parameters: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which is too low; choose at least"):
        KINDS["hnsw"].build(random_vectors(5), tmp_path / "dense.faiss", parameters)
