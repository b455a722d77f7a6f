from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dpr.errors import ModelError
from dpr.models.checkpoint import content_hash
from dpr.models.encoders import load_encoder
from dpr.models.export import export
from dpr.models.head import Dense
from dpr.models.sentence_transformers import read_head, write_sentence_transformers_files
from dpr.models.text_encoder import EncoderConfig

TEXTS = ["Who?", "누가 한글을 만들었나?", "Why was the observatory built?"]


@pytest.fixture
def projected(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint with a linear map from 32 to 16 numbers, written in the form of sentence-transformers."""
    folder = tmp_path / "projected"
    shutil.copytree(tiny_checkpoint, folder)
    torch.manual_seed(0)
    write_sentence_transformers_files(folder, EncoderConfig(), 32, (Dense(nn.Linear(32, 16)),))
    return folder


def test_a_linear_map_is_applied_as_sentence_transformers_does(projected: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = load_encoder(projected, "fp32")
    theirs = SentenceTransformer(str(projected), device="cpu").encode(TEXTS)
    assert encoder.dimension == 16
    np.testing.assert_allclose(encoder.encode_questions(TEXTS), theirs, atol=1e-5)


def test_a_map_that_sentence_transformers_saved_is_read(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    dense = Dense(32, 8, bias=False, activation_function=nn.Identity())
    modules = [Transformer(str(tiny_checkpoint)), Pooling(32), dense, Normalize()]
    theirs = SentenceTransformer(modules=modules, device="cpu")
    theirs.save(str(tmp_path / "saved"))
    encoder = load_encoder(tmp_path / "saved", "fp32")
    np.testing.assert_allclose(encoder.encode_questions(TEXTS), theirs.encode(TEXTS), atol=1e-5)


def test_export_keeps_the_map(projected: Path, tmp_path: Path) -> None:
    export(str(projected), tmp_path / "whole")
    before, after = load_encoder(projected, "fp32"), load_encoder(tmp_path / "whole", "fp32")
    np.testing.assert_allclose(after.encode_questions(TEXTS), before.encode_questions(TEXTS), atol=1e-5)


def test_the_map_is_part_of_what_a_model_is(projected: Path) -> None:
    before = content_hash(projected)
    torch.manual_seed(1)
    write_sentence_transformers_files(projected, EncoderConfig(), 32, (Dense(nn.Linear(32, 16)),))
    assert content_hash(projected) != before


def test_a_map_that_cannot_be_used_is_refused(projected: Path) -> None:
    config = json.loads((projected / "2_Dense" / "config.json").read_text(encoding="utf-8"))
    curved = {**config, "activation_function": "torch.nn.modules.activation.PReLU"}
    (projected / "2_Dense" / "config.json").write_text(json.dumps(curved), encoding="utf-8")
    with pytest.raises(ModelError, match=r"has the activation 'torch\.nn\.modules\.activation\.PReLU', which is not"):
        read_head(projected)
    (projected / "2_Dense" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (projected / "2_Dense" / "model.safetensors").write_bytes(b"no safetensors")
    with pytest.raises(ModelError, match="cannot be read as a Dense"):
        read_head(projected)
    (projected / "modules.json").write_text('[{"idx": 0}]', encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read as a list of modules"):
        read_head(projected)
