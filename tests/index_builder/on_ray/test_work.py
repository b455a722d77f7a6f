from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pytest

from dpr.errors import ModelError
from dpr.types import Passage
from index_builder.on_ray.pieces import PieceStore
from index_builder.on_ray.work import PieceWorker, Work, count_work, encode_work, encoded_passages, term_counts
from tests.fakes import HashEncoder, WordAnalyzer

PASSAGES = [Passage("a", "one two two"), Passage("b", "two", "three")]


def work_on(work: Work, folder: Path) -> tuple[str, str]:
    """Return the name of a piece, and what went wrong with it."""
    name = PieceStore(str(folder)).put(work.identity, PASSAGES)
    row = PieceWorker(work, str(folder))({"position": np.array([3]), "name": np.array([name])})
    assert row["position"].tolist() == [3]
    return name, row["error"][0]


def test_passages_are_encoded_with_their_ids(tmp_path: Path) -> None:
    name, error = work_on(encode_work(HashEncoder, "hash", "hash-1", 32), tmp_path)
    assert error == ""
    table = PieceStore(str(tmp_path)).result(name, encode_work(HashEncoder, "hash", "hash-1", 32).schema)
    assert table["id"].to_pylist() == ["a", "b"]
    np.testing.assert_array_equal(encoded_passages(table).vectors, HashEncoder().encode_passages(PASSAGES))


def test_terms_are_counted(tmp_path: Path) -> None:
    name, error = work_on(count_work(WordAnalyzer, "words", "1"), tmp_path)
    assert error == ""
    counts = term_counts(PieceStore(str(tmp_path)).result(name, count_work(WordAnalyzer, "words", "1").schema))
    assert list(counts.vocabulary) == ["one", "three", "two"]
    assert (counts.counts.tolist(), counts.lengths.tolist()) == ([1, 1, 2, 1], [3, 2])


def test_a_finished_piece_is_not_worked_on_again(tmp_path: Path) -> None:
    def load() -> NoReturn:
        raise AssertionError

    work = encode_work(load, "hash", "hash-1", 32)
    store = PieceStore(str(tmp_path))
    store.finish(store.put(work.identity, PASSAGES), pa.table({"id": ["a", "b"]}))
    assert work_on(work, tmp_path)[1] == ""


def no_model() -> NoReturn:
    raise ModelError("no encoder at /models/pair; give a folder")


def broken() -> NoReturn:
    raise RuntimeError("CUDA error: out of memory\nmore")


@pytest.mark.parametrize(
    ("work", "cause"),
    [
        (encode_work(no_model, "pair", "1", 32), "stopped: no encoder at /models/pair; give a folder"),
        (encode_work(broken, "pair", "1", 32), "failed (RuntimeError: CUDA error: out of memory)"),
        (
            encode_work(partial(HashEncoder, "other"), "pair", "1", 32),
            "has other files than where the build",
        ),
        (count_work(WordAnalyzer, "words", "2"), "has version 1, and 2 where the build was started"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_one_sentence(work: Work, cause: str, tmp_path: Path) -> None:
    name, error = work_on(work, tmp_path)
    assert error.startswith("a worker on node ")
    assert cause in error
    assert "\n" not in error
    assert not PieceStore(str(tmp_path)).is_finished(name)
