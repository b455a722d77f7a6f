from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel

from dpr.errors import ConfigError
from dpr.models.encoder_compute import openvino_compute, torch_compute
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
@pytest.mark.parametrize("for_questions", [True, False])
def test_openvino_computes_what_torch_does(
    tiny_checkpoint: Path, is_projected: bool, config: EncoderConfig, for_questions: bool
) -> None:
    torch.manual_seed(0)
    head = (Dense(nn.Linear(32, 16)),) if is_projected else ()
    encoder = TextEncoder(BertModel.from_pretrained(tiny_checkpoint), config, head).eval()
    by_torch = torch_compute(encoder, torch.float32)
    by_openvino = openvino_compute(encoder, torch.float32, for_questions=for_questions)
    for seed, (count, width) in enumerate([(1, 4), (3, 40), (2, 17), (1, 32), (1, 33)]):
        inputs = batch(seed, count, width)
        expected = by_torch.start(inputs)()
        assert expected.shape == (count, by_openvino.dimension)
        np.testing.assert_allclose(by_openvino.start(inputs)(), expected, atol=1e-5)


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
