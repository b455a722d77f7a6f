from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dpr.errors import ModelError
from dpr.store.arrays import open_vectors
from dpr.store.passages import PassageStore, write_passages
from dpr.types import FloatArray, Passage, Progress, no_progress
from index_builder.encode import encode_locally, write_vectors
from tests.fakes import HashEncoder


class Spy(HashEncoder):
    """Remembers how many passages it got at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        self.sizes.append(len(passages))
        return super().encode_passages(passages, progress)


class Wide(HashEncoder):
    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        return np.zeros((len(passages), self.dimension + 1), dtype=np.float32)


class Overflowing(HashEncoder):
    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        return np.full((len(passages), self.dimension), np.nan, dtype=np.float32)


@pytest.fixture
def passages(tmp_path: Path) -> PassageStore:
    write_passages(tmp_path / "passages.arrow", (Passage(f"p{number}", f"text {number}") for number in range(25)))
    return PassageStore.open(tmp_path / "passages.arrow")


@pytest.mark.parametrize("chunk", [1, 7, 25, 100])
def test_vectors_do_not_depend_on_the_chunks(passages: PassageStore, chunk: int) -> None:
    encoder = Spy()
    vectors = np.zeros((25, encoder.dimension), dtype=np.float32)
    encode_locally(passages, encoder, vectors, chunk_passages=chunk)
    assert max(encoder.sizes) <= chunk
    np.testing.assert_array_equal(vectors, HashEncoder().encode_passages(list(passages)))


def test_progress_counts_over_all_chunks(passages: PassageStore) -> None:
    reports: list[tuple[str, int, int | None]] = []
    vectors = np.zeros((25, 32), dtype=np.float32)
    encode_locally(passages, HashEncoder(), vectors, lambda *report: reports.append(report), chunk_passages=10)
    assert reports == [("encode", 10, 25), ("encode", 20, 25), ("encode", 25, 25), ("encode", 25, 25)]


def test_what_is_written_is_mapped(passages: PassageStore, tmp_path: Path) -> None:
    write_vectors(passages, HashEncoder(), tmp_path / "vectors.npy", encode_locally)
    expected = HashEncoder().encode_passages(list(passages))
    np.testing.assert_array_equal(open_vectors(tmp_path / "vectors.npy", 25, 32), expected)


@pytest.mark.parametrize(
    ("encoder", "cause"),
    [(Wide(), r"vectors of shape \(25, 33\) where \(25, 32\) was due"), (Overflowing(), "not finite")],
)
def test_what_is_no_vector_stops_the_build(passages: PassageStore, encoder: HashEncoder, cause: str) -> None:
    with pytest.raises(ModelError, match=cause):
        encode_locally(passages, encoder, np.zeros((25, 32), dtype=np.float32))
