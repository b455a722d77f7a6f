"""Weights in 4 bits: ``packed.safetensors`` is a quarter of the size of fp16 and is unpacked to fp32 on loading.

A matrix is stored in blocks of 32 numbers of a row, as in GGUF's Q4_0: an fp16 scale d for the block, and a 4-bit code
c for each number d · (c - 8). ``NAME.scales`` (R, C/32) holds the scales and ``NAME.codes`` (R, C/2) the codes: byte j
of a block has number j in its low half and number j + 16 in its high half. Tensors that are not packed have their own
names.

The values equal those of the original 4-bit file bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dpr.errors import ModelError
from dpr.types import FloatArray

PACKED_FILE = "packed.safetensors"
BLOCK = 32
_SCALES, _CODES = ".scales", ".codes"
_ZERO = 8
"""The code of the number 0."""

Array = npt.NDArray[np.generic]


def unpack(scales: npt.NDArray[np.float16], codes: npt.NDArray[np.uint8]) -> FloatArray:
    """Return the matrix (R, C) of scales (R, C/32) and codes (R, C/2)."""
    rows, blocks = scales.shape
    halves = codes.reshape(rows, blocks, BLOCK // 2)
    numbers = np.concatenate([halves & 15, halves >> 4], axis=2).astype(np.float32)  # (R, C/32, 32)
    numbers -= _ZERO
    numbers *= scales[..., None].astype(np.float32)
    return numbers.reshape(rows, blocks * BLOCK)


def write_packed(
    folder: Path,
    packed: Mapping[str, tuple[npt.NDArray[np.float16], npt.NDArray[np.uint8]]],
    plain: Mapping[str, Array],
) -> None:
    """Write ``packed.safetensors`` with packed matrices (scales and codes) and plain tensors."""
    tensors: dict[str, Array] = dict(plain)
    for name, (scales, codes) in packed.items():
        tensors |= {name + _SCALES: np.ascontiguousarray(scales), name + _CODES: np.ascontiguousarray(codes)}
    save_file(tensors, folder / PACKED_FILE, {"format": "pt"})


def read_packed(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of ``packed.safetensors`` by name, fp32.

    Raises:
        ModelError: the file is damaged, or lacks the scales or codes of a matrix.
    """
    path = folder / PACKED_FILE
    try:
        tensors = load_file(path)
        state = {}
        for name, tensor in tensors.items():
            if name.endswith(_CODES):
                matrix = name.removesuffix(_CODES)
                state[matrix] = torch.from_numpy(unpack(tensors[matrix + _SCALES], tensor))
            elif not name.endswith(_SCALES):
                state[name] = torch.from_numpy(tensor.astype(np.float32))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as packed weights ({error}); copy the model again") from error
    return state
