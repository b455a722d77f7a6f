"""Weights in 4 bits: what is stored, and what a damaged file says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForQuestionAnswering, BertModel

from dpr.errors import ModelError
from dpr.models.adapters import add_lora
from dpr.models.checkpoint import load_model
from dpr.models.encoders import load_encoder
from dpr.models.packed import BLOCK, PACKED_FILE, read_packed, unpack, write_packed
from dpr.types import Passage


def any_codes(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return scales and codes of a matrix, which stand for numbers around 0."""
    random = np.random.default_rng(shape)
    scales = random.normal(0, 0.02, (shape[0], shape[1] // BLOCK)).astype(np.float16)
    return scales, random.integers(0, 256, (shape[0], shape[1] // 2), dtype=np.uint8)


def test_a_block_is_laid_out_as_in_q4_0() -> None:
    low = np.arange(16, dtype=np.uint8)
    codes = (low | (15 - low) << 4).astype(np.uint8)
    numbers = unpack(np.array([[0.5]], dtype=np.float16), codes[None])
    assert numbers[0, :16].tolist() == [0.5 * (code - 8) for code in range(16)]
    assert numbers[0, 16:].tolist() == [0.5 * (15 - code - 8) for code in range(16)]


def test_a_file_holds_packed_and_plain_weights(tmp_path: Path) -> None:
    matrix = any_codes((5, BLOCK))
    bias = np.arange(5, dtype=np.float32)
    write_packed(tmp_path, {"layer.weight": matrix}, {"layer.bias": bias})
    state = read_packed(tmp_path)
    assert set(state) == {"layer.weight", "layer.bias"}
    assert torch.equal(state["layer.weight"], torch.from_numpy(unpack(*matrix)))
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
    matrices = {name: any_codes(array.shape) for name, array in arrays_by_name.items() if array.ndim == 2}
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
