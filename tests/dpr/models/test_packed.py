"""Weights in 4 bits: what is stored, and what a damaged file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dpr.errors import ModelError
from dpr.models.packed import BLOCK, PACKED_FILE, pack, read_packed, unpack, write_packed


def test_a_block_is_laid_out_as_in_q4_0() -> None:
    low = np.arange(16, dtype=np.uint8)
    codes = (low | (15 - low) << 4).astype(np.uint8)
    numbers = unpack(np.array([[0.5]], dtype=np.float16), codes[None])
    assert numbers[0, :16].tolist() == [0.5 * (code - 8) for code in range(16)]
    assert numbers[0, 16:].tolist() == [0.5 * (15 - code - 8) for code in range(16)]


@given(arrays.arrays(np.float32, (3, 2 * BLOCK), elements=st.floats(-4, 4, width=16)))
def test_packing_rounds_to_an_eighth_of_a_blocks_largest_number(weights: np.ndarray) -> None:
    scales, codes = pack(weights)
    largest = np.abs(weights.reshape(3, 2, BLOCK)).max(2, keepdims=True)
    error = np.abs(unpack(scales, codes).reshape(3, 2, BLOCK) - weights.reshape(3, 2, BLOCK))
    assert (error <= largest / 8 * 1.01 + 1e-6).all()  # the scale itself is rounded to fp16


def test_unpacked_numbers_pack_to_themselves() -> None:
    random = np.random.default_rng(0)
    scales, codes = pack(random.normal(size=(4, 3 * BLOCK)).astype(np.float32))
    again = unpack(*pack(unpack(scales, codes)))
    assert np.array_equal(again, unpack(scales, codes))


def test_a_file_holds_packed_and_plain_weights(tmp_path: Path) -> None:
    matrix = np.random.default_rng(1).normal(size=(5, BLOCK)).astype(np.float32)
    bias = np.arange(5, dtype=np.float32)
    write_packed(tmp_path, {"layer.weight": pack(matrix)}, {"layer.bias": bias})
    state = read_packed(tmp_path)
    assert set(state) == {"layer.weight", "layer.bias"}
    assert torch.equal(state["layer.weight"], torch.from_numpy(unpack(*pack(matrix))))
    assert torch.equal(state["layer.bias"], torch.from_numpy(bias))


def test_a_damaged_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / PACKED_FILE).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read as packed weights"):
        read_packed(tmp_path)
