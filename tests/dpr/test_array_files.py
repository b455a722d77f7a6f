from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.array_files import create_vectors, open_array, open_vectors, save_array
from dpr.errors import IndexFormatError


def test_vectors_are_mapped_as_written(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    written = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    vectors = create_vectors(path, 5, 3)
    vectors[:] = written
    vectors.flush()
    opened = open_vectors(path, 5, 3)
    assert isinstance(opened, np.memmap)
    assert not opened.flags.writeable
    np.testing.assert_array_equal(opened, written)


def test_an_empty_array_can_be_mapped(tmp_path: Path) -> None:
    save_array(tmp_path / "weights.npy", np.empty(0, dtype=np.float32))
    assert open_array(tmp_path / "weights.npy", np.float32, (0,)).shape == (0,)


@pytest.mark.parametrize(("passages", "dimension"), [(4, 3), (5, 2), (15, 1)])
def test_another_shape_is_refused(tmp_path: Path, passages: int, dimension: int) -> None:
    save_array(tmp_path / "vectors.npy", np.zeros((5, 3), dtype=np.float32))
    with pytest.raises(IndexFormatError, match=r"of shape \(5, 3\), but float32 numbers of shape"):
        open_vectors(tmp_path / "vectors.npy", passages, dimension)


def test_another_type_is_refused(tmp_path: Path) -> None:
    save_array(tmp_path / "id_rank.npy", np.zeros(5, dtype=np.int64))
    with pytest.raises(IndexFormatError, match="holds int64 numbers"):
        open_array(tmp_path / "id_rank.npy", np.int32, (5,))


def test_pickled_content_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "id_rank.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(IndexFormatError, match="cannot be read"):
        open_array(tmp_path / "id_rank.npy", np.int32, (1,))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01", b"not an array at all"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vectors.npy").write_bytes(content)
    with pytest.raises(IndexFormatError, match="rebuild with dpr-index build"):
        open_vectors(tmp_path / "vectors.npy", 5, 3)


def test_an_absent_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError, match="cannot be read"):
        open_vectors(tmp_path / "vectors.npy", 5, 3)
