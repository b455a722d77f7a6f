from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dpr.errors import ModelError
from dpr.models.adapters import ROWS_FILE, ExtendedEmbedding, add_lora, read_rows, write_rows
from dpr.models.checkpoint import load_model


def test_added_rows_follow_the_base_and_alone_are_trained() -> None:
    base = nn.Embedding(5, 4, padding_idx=0)
    rows = torch.randn(3, 4)
    embedding = ExtendedEmbedding(base, rows)
    ids = torch.tensor([[0, 4, 5], [7, 6, 1]])
    assert torch.equal(embedding(ids), nn.functional.embedding(ids, embedding.weight))
    assert torch.equal(embedding.weight[5:], rows)
    embedding(ids).sum().backward()
    assert embedding.base.weight.grad is None
    assert embedding.rows.grad is not None
    assert embedding.rows.grad.tolist() == [[1.0] * 4] * 3  # an id of the base leaves no gradient in the first row


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_rows(tmp_path) is None
    rows = torch.randn(3, 4)
    write_rows(tmp_path, rows, "some/base")
    found = read_rows(tmp_path)
    assert found is not None
    assert torch.equal(found[0], rows)
    assert found[1] == "some/base"
    write_rows(tmp_path, rows, "some/base", torch.float16)
    halved = read_rows(tmp_path)
    assert halved is not None
    assert halved[0].dtype == torch.float32
    assert torch.allclose(halved[0], rows, atol=1e-2)


def test_rows_of_a_byte_a_number_have_nearly_the_same_direction(tmp_path: Path) -> None:
    rows = torch.randn(50, 384) * torch.logspace(-3, 2, 50)[:, None]
    rows[0] = 0
    write_rows(tmp_path, rows, "some/base", torch.int8)
    assert (tmp_path / ROWS_FILE).stat().st_size < 0.27 * rows.nbytes
    found = read_rows(tmp_path)
    assert found is not None
    assert torch.cosine_similarity(found[0][1:], rows[1:]).min() > 0.9999
    assert not found[0][0].any()


def test_damaged_rows_are_refused(tmp_path: Path) -> None:
    (tmp_path / ROWS_FILE).write_bytes(b"no safetensors")
    with pytest.raises(ModelError, match=r"cannot be read as added word embeddings .* save the model again"):
        read_rows(tmp_path)


def test_folded_lora_is_peft_s_function_with_its_gradients(tiny_checkpoint: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    folded = add_lora(load_model(AutoModel, tiny_checkpoint).double(), 4, 8, "base").double()
    options = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear")
    plain = get_peft_model(load_model(AutoModel, tiny_checkpoint).double(), options).double()
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in folded.named_parameters():
            if "lora_" in name:
                weight.copy_(0.3 * torch.randn_like(weight))
    plain.load_state_dict(folded.state_dict())
    ids = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])
    mask = (ids > 0).long()
    towards = torch.randn(2, 4, folded.config.hidden_size, dtype=torch.float64)
    for model in (folded, plain):
        (model(input_ids=ids, attention_mask=mask).last_hidden_state * towards).sum().backward()
    expected = dict(plain.named_parameters())
    compared = 0
    for name, weight in folded.named_parameters():
        if "lora_" in name and "pooler" not in name:
            torch.testing.assert_close(weight.grad, expected[name].grad)
            assert weight.grad is not None
            assert weight.grad.abs().sum() > 0
            compared += 1
    assert compared > 10
    torch.testing.assert_close(
        folded.merge_and_unload()(input_ids=ids).last_hidden_state,
        plain.merge_and_unload()(input_ids=ids).last_hidden_state,
    )
