"""Matrices and columns of numbers: npy files, memory-mapped, so that opening one costs no reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dpr.durable import reserve
from dpr.errors import IndexFormatError
from dpr.types import FloatArray

Scalar = TypeVar("Scalar", bound=np.generic)


def create_array(path: Path, scalar: type[Scalar], shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[Scalar]]:
    """Create an npy file, mapped and writable; call ``flush`` when it is filled.

    Raises:
        OSError: the disk has no space for it.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(scalar), shape=shape)
    reserve(path)
    return array


def create_vectors(path: Path, passages: int, dimension: int) -> np.memmap[Any, np.dtype[np.float32]]:
    """Create a vectors file of shape (``passages``, ``dimension``), writable; call ``flush`` when it is filled.

    Raises:
        OSError: the disk has no space for it.
    """
    return create_array(path, np.float32, (passages, dimension))


def open_writable_vectors(path: Path, passages: int, dimension: int) -> np.memmap[Any, np.dtype[np.float32]]:
    """Map the vectors file that ``create_vectors`` made for the same numbers, writable.

    Raises:
        IndexFormatError: the file is absent, damaged, or of another shape or type.
    """
    open_vectors(path, passages, dimension)
    return np.lib.format.open_memmap(path, mode="r+")


def open_vectors(path: Path, passages: int, dimension: int) -> FloatArray:
    """Map the vectors of an index, (P, D) float32, read-only.

    Raises:
        IndexFormatError: the file is absent, damaged, or of another shape or type.
    """
    return open_array(path, np.float32, (passages, dimension))


def save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as npy, without pickle."""
    np.save(path, array, allow_pickle=False)


def open_array(path: Path, scalar: type[Scalar], shape: tuple[int | None, ...]) -> npt.NDArray[Scalar]:
    """Map an npy file read-only, after checking that it holds what it should; None in the shape is any length.

    Raises:
        IndexFormatError: the file is absent, damaged, or of another shape or type.
    """
    try:
        array: npt.NDArray[Scalar] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise IndexFormatError(f"{path} cannot be read ({error}); rebuild with dpr-index build") from error
    is_shape = len(array.shape) == len(shape) and all(
        expected in (None, length) for expected, length in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.dtype(scalar) or not is_shape:
        expected_shape = ", ".join("any" if length is None else str(length) for length in shape)
        raise IndexFormatError(
            f"{path} holds {array.dtype} numbers of shape {array.shape}, but {np.dtype(scalar)} numbers of shape "
            f"({expected_shape}) are expected; rebuild with dpr-index build"
        )
    return array
