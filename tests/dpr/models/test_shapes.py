from __future__ import annotations

import numpy as np
import pytest
import torch

from dpr.models.encoder_compute import OPENVINO_BATCH_TOKENS
from dpr.models.shapes import TILE, pad_to_few_shapes, pad_token_of, rounded_up, width_step
from dpr.types import IntArray

POSITIONS = 512


def inputs(rows: int, width: int) -> dict[str, IntArray]:
    ids = np.arange(1, rows * width + 1).reshape(rows, width)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.ones_like(ids)}


def shape_of(rows: int, width: int) -> tuple[int, ...]:
    return pad_to_few_shapes(inputs(rows, width), 0, POSITIONS)["input_ids"].shape


def test_all_batches_have_few_shapes_and_little_padding() -> None:
    asked = [
        (rows, width)
        for width in range(1, POSITIONS + 1)
        for rows in range(1, max(1, OPENVINO_BATCH_TOKENS // width) + 1)
    ]
    shapes = [(rounded_up(rows), rounded_up(width, 8)) for rows, width in asked]
    assert len(set(asked)) > 10_000
    assert len(set(shapes)) < 600
    shares = [
        rows * width / (asked_rows * asked_width)
        for (rows, width), (asked_rows, asked_width) in zip(shapes, asked, strict=True)
        if asked_width >= 64
    ]
    assert max(shares) < 1.27
    assert np.mean(shares) < 1.06


@pytest.mark.parametrize(("count", "rounded"), [(1, 1), (10, 10), (16, 16), (17, 18), (33, 36), (100, 104), (129, 144)])
def test_numbers_are_rounded_up(count: int, rounded: int) -> None:
    assert rounded_up(count) == rounded


def test_columns_are_hidden_padding_and_rows_are_copies_of_the_first() -> None:
    before = inputs(17, 9)
    padded = pad_to_few_shapes(before, pad_id=7, longest=POSITIONS)
    assert {array.shape for array in padded.values()} == {(18, 16)}
    for name, array in padded.items():
        np.testing.assert_array_equal(array[:17, :9], before[name])
        np.testing.assert_array_equal(array[17], array[0])
    assert set(padded["input_ids"][:, 9:].ravel().tolist()) == {7}
    assert not padded["attention_mask"][:, 9:].any()
    assert not padded["token_type_ids"][:, 9:].any()


def test_the_positions_of_a_model_are_not_exceeded() -> None:
    assert shape_of(1, POSITIONS) == (1, POSITIONS)
    assert pad_to_few_shapes(inputs(1, 97), 0, longest=100)["input_ids"].shape == (1, 100)
    assert pad_to_few_shapes(inputs(1, 97), 0, longest=None)["input_ids"].shape == (
        1,
        112 if width_step() == TILE else 104,
    )


@pytest.mark.parametrize(("has_tiles", "widths"), [(True, [16, 32, 32, 48]), (False, [8, 24, 32, 40])])
def test_a_processor_with_tiles_gets_fewer_widths(
    has_tiles: bool, widths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_tiles})
    width_step.cache_clear()
    try:
        assert [shape_of(1, width)[1] for width in (5, 17, 30, 33)] == widths
    finally:
        width_step.cache_clear()


@pytest.mark.parametrize(("pad_token_id", "expected"), [(1, 1), (0, 0), (None, 0), (-1, 0)])
def test_the_padding_token_is_the_configurations_own(pad_token_id: int | None, expected: int) -> None:
    assert pad_token_of(type("Config", (), {"pad_token_id": pad_token_id})()) == expected
    assert pad_token_of(object()) == 0
