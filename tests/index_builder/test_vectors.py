from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpr.errors import ConfigError, DataError
from dpr.types import FloatArray, Passage
from index_builder.build import BuildOptions, build
from index_builder.chunking import ChunkOptions
from index_builder.dense import DenseOptions
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, content, small_index, write_jsonl

TWICE = (*PASSAGES, Passage("again", PASSAGES[2].text, PASSAGES[2].title))
"""With a passage whose content another one has: its vector is read, and not used."""


class Counting(HashEncoder):
    """Counts the passages that it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded = 0

    def encode_passages(self, passages: list[Passage], *progress: object) -> FloatArray:  # type: ignore[override]
        self.encoded += len(passages)
        return super().encode_passages(passages)


def as_npy(folder: Path, vectors: FloatArray) -> str:
    np.save(folder / "given.npy", vectors)
    return str(folder / "given.npy")


def as_parquet(folder: Path, vectors: FloatArray) -> str:
    table = pa.table({"name": ["x"] * len(vectors), "embedding": [row.tolist() for row in vectors]})
    pq.write_table(table, folder / "given.parquet", row_group_size=3)
    return f"{folder / 'given.parquet'}:embedding"


def built(root: Path, vectors: str, encoder: HashEncoder, passages: tuple[Passage, ...] = TWICE) -> None:
    source = write_jsonl(root.with_suffix(".jsonl"), passages)
    build(
        BuildOptions(sources=(source,), output=root, dense=DenseOptions(vectors_file=vectors)), encoder, WordAnalyzer()
    )


@pytest.mark.parametrize("write", [as_npy, as_parquet])
def test_given_vectors_make_the_index_that_encoding_makes(
    write: Callable[[Path, FloatArray], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index_builder.vectors._READ_AT_A_TIME", 2)
    monkeypatch.setattr("index_builder.vectors.PROBES", 2)
    vectors = HashEncoder().encode_passages(TWICE)
    encoder = Counting()
    built(tmp_path / "given", write(tmp_path, vectors), encoder)
    small_index(tmp_path / "encoded", TWICE)
    assert encoder.encoded == 2
    given, encoded = (
        {Path(name).name: data for name, data in content(tmp_path / name).items() if not name.endswith(".json")}
        for name in ("given", "encoded")
    )
    assert given == encoded


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda vectors: vectors[:6], "has 6 vectors of 32 numbers, but there are 7 passages"),
        (lambda vectors: vectors[:, :8], "has 7 vectors of 8 numbers, .* hash-encoder has 32"),
        (lambda vectors: vectors[::-1], "vector 1 has a cosine of .* with the one that hash-encoder gives for passage"),
        (
            lambda vectors: 3 * vectors,
            "vector 1 has the length 3.000 where hash-encoder gives 1.000 for passage 'seoul'",
        ),
        (lambda vectors: vectors * np.nan, "has a cosine of nan"),
        (lambda vectors: vectors[0], r"has an array of shape \(32,\); vectors are rows of a matrix"),
    ],
)
def test_other_vectors_are_refused(change: Callable[[FloatArray], FloatArray], sentence: str, tmp_path: Path) -> None:
    vectors = change(HashEncoder().encode_passages(TWICE))
    with pytest.raises(DataError, match=sentence):
        built(tmp_path / "index", as_npy(tmp_path, vectors), HashEncoder())
    assert not (tmp_path / "index" / "CURRENT").exists()


def test_a_file_that_holds_no_vectors_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("text")
    as_parquet(tmp_path, HashEncoder().encode_passages(TWICE))
    for name in ("nowhere.npy", "text.npy", "given.parquet:vector", "nowhere.parquet:embedding"):
        with pytest.raises(DataError, match="cannot be read as vectors"):
            built(tmp_path / "index", str(tmp_path / name), HashEncoder())


def test_lists_of_different_lengths_are_refused(tmp_path: Path) -> None:
    rows = [row.tolist() for row in HashEncoder().encode_passages(TWICE)]
    rows[4] = rows[4][:3]
    pq.write_table(pa.table({"embedding": rows}), tmp_path / "given.parquet")
    with pytest.raises(DataError, match="column 'embedding' has lists of other lengths than 32"):
        built(tmp_path / "index", f"{tmp_path / 'given.parquet'}:embedding", HashEncoder())


def test_passages_that_are_to_be_cut_have_no_vectors_yet(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="precomputed vectors are of passages as they are"):
        BuildOptions(
            sources=("x.jsonl",),
            output=tmp_path,
            dense=DenseOptions(vectors_file="x.npy"),
            chunk=ChunkOptions(100),
        )
