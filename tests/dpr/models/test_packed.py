"""Weights in 4 bits: what is stored, and what a damaged file says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from transformers import AutoModel, AutoModelForQuestionAnswering, BertModel

from dpr.errors import ModelError
from dpr.models.adapters import add_lora
from dpr.models.checkpoint import load_model
from dpr.models.encoders import load_encoder
from dpr.models.packed import BLOCK, PACKED_FILE, pack, read_packed, unpack, write_packed
from dpr.types import Passage


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


@pytest.fixture
def packed_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """The tiny BERT in 4 bits, and the weights that its codes stand for."""
    folder = tmp_path / "packed"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    state = BertModel.from_pretrained(tiny_checkpoint, add_pooling_layer=False).state_dict()
    arrays_by_name = {name: weight.numpy() for name, weight in state.items() if weight.is_floating_point()}
    matrices = {name: pack(array) for name, array in arrays_by_name.items() if array.ndim == 2}
    write_packed(folder, matrices, {name: array for name, array in arrays_by_name.items() if name not in matrices})
    return folder, read_packed(folder)


@pytest.mark.parametrize("auto_class", [AutoModel, AutoModelForQuestionAnswering])
def test_a_model_in_4_bits_loads_as_any_other(
    packed_checkpoint: tuple[Path, dict[str, torch.Tensor]], auto_class: Any
) -> None:
    folder, state = packed_checkpoint
    model = load_model(auto_class, folder, new_head=True)
    loaded = model.base_model.state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in state.items())
    assert all(weight.requires_grad for weight in model.parameters())


def test_an_adapter_on_a_model_in_4_bits_finds_its_base_again(
    packed_checkpoint: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    folder, _ = packed_checkpoint
    adapted = add_lora(load_model(AutoModel, folder), 4, 8, str(folder), exclude_modules=r".*pooler.*")
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    adapted.save_pretrained(tmp_path / "adapter")
    ids = torch.arange(5, 13).unsqueeze(0)
    expected = adapted.eval()(input_ids=ids).last_hidden_state
    merged = load_model(AutoModel, tmp_path / "adapter")
    assert torch.allclose(merged(input_ids=ids).last_hidden_state, expected, atol=1e-4)


def test_the_bundled_base_finds_passages_in_both_languages() -> None:
    encoder = load_encoder("e5-small-ko-en", "fp32", "torch")
    passages = [
        Passage("1", "Baengnokdam is a crater lake at the summit of Hallasan on Jeju Island."),
        Passage("2", "딥 블루는 아이비엠이 만든 체스 컴퓨터이다."),
        Passage("3", "Whales sleep near the surface of the sea."),
    ]
    questions = [
        "Which lake lies at the summit of Hallasan?",
        "딥 블루는 어느 회사가 만들었는가?",
        "고래는 어디서 자는가?",  # across languages
    ]
    scores = encoder.encode_questions(questions) @ encoder.encode_passages(passages).T
    assert scores.argmax(1).tolist() == [0, 1, 2]
    assert (encoder.dimension, encoder.config.question_prompt, encoder.config.passage_prompt) == (
        384,
        "query: ",
        "passage: ",
    )
