from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dpr.errors import ModelError
from dpr.models.adapters import ROWS_FILE, ExtendedEmbedding, read_rows, write_rows


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


def test_damaged_rows_are_refused(tmp_path: Path) -> None:
    (tmp_path / ROWS_FILE).write_bytes(b"no safetensors")
    with pytest.raises(ModelError, match="cannot be read as added word embeddings .* save the model again"):
        read_rows(tmp_path)
