from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel, T5Config, T5EncoderModel

from dpr.errors import ConfigError
from dpr.models.encoder_compute import openvino_compute, question_compute, torch_compute
from dpr.models.encoders import load_encoder
from dpr.models.head import Dense
from dpr.models.text_encoder import EncoderConfig, TextEncoder
from dpr.models.tokens import Batch


def batch(seed: int, count: int, width: int) -> Batch:
    random = np.random.default_rng(seed)
    lengths = random.integers(3, width + 1, count)
    mask = torch.from_numpy((np.arange(width) < lengths[:, None]).astype(np.int64))
    return {"input_ids": torch.from_numpy(random.integers(5, 200, (count, width))) * mask, "attention_mask": mask}


@pytest.mark.parametrize(
    ("is_projected", "config"),
    [(False, EncoderConfig()), (True, EncoderConfig()), (False, EncoderConfig(pooling="cls", normalize=False))],
)
@pytest.mark.parametrize("by_openvino", [openvino_compute, question_compute])
def test_openvino_computes_what_torch_does(
    tiny_checkpoint: Path, is_projected: bool, config: EncoderConfig, by_openvino: Any
) -> None:
    torch.manual_seed(0)
    head = (Dense(nn.Linear(32, 16)),) if is_projected else ()
    encoder = TextEncoder(BertModel.from_pretrained(tiny_checkpoint), config, head).eval()
    by_torch = torch_compute(encoder, torch.float32)
    compute = by_openvino(encoder, torch.float32)
    for seed, (count, width) in enumerate([(1, 4), (3, 40), (2, 17), (1, 24), (1, 25), (1, 33), (12, 30)]):
        inputs = batch(seed, count, width)
        expected = by_torch.start(inputs)()
        assert expected.shape == (count, compute.dimension)
        np.testing.assert_allclose(compute.start(inputs)(), expected, atol=1e-5)


def test_questions_of_a_model_that_cannot_be_packed_are_padded() -> None:
    torch.manual_seed(0)
    config = T5Config(vocab_size=200, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)
    encoder = TextEncoder(T5EncoderModel(config), EncoderConfig()).eval()
    compute = question_compute(encoder, torch.float32)
    assert compute.is_padded
    for count, width in [(1, 20), (1, 40), (3, 20)]:
        inputs = batch(count, count, width)
        expected = torch_compute(encoder, torch.float32).start(inputs)()
        np.testing.assert_allclose(compute.start(inputs)(), expected, atol=1e-5)


def test_encoders_that_differ_in_use_alone_are_not_taken_for_each_other(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The converted graph is stored under a hash of the encoder's files and its pooling."""
    for pooling in ("mean", "cls"):
        folder = tmp_path / pooling
        folder.mkdir()
        (folder / "question").symlink_to(tiny_checkpoint)
        (folder / "encoder.json").write_text(f'{{"pooling": "{pooling}"}}', encoding="utf-8")
        found, expected = (
            load_encoder(folder, "fp32", backend).encode_questions(["Who?"]) for backend in ("openvino", "torch")
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_unknown_backend_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="unknown backend 'onnx'; choose auto, torch, openvino"):
        load_encoder(tiny_checkpoint, backend="onnx")
