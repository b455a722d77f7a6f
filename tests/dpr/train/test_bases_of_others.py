"""Training from encoders of others: their pooling, prompts and head are kept, and saved with the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from torch import nn

from dpr.data.passages import read_examples
from dpr.models.encoders import load_encoder
from dpr.models.export import export
from dpr.train.batches import Source
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from dpr.types import Passage

TEXTS = ["Who?", "누가 한글을 만들었나?"]


@pytest.fixture(scope="module")
def sources(demo_files: tuple[Path, Path]) -> list[Source]:
    return [Source("korean", list(read_examples(f"korquad:{demo_files[1]}@:2")))]


@pytest.fixture(scope="module")
def base(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder with prompts, two modes of pooling, and an activation after its linear map."""
    folder = tmp_path_factory.mktemp("other")
    torch.manual_seed(0)
    dense = Dense(64, 16, activation_function=nn.Tanh())
    modules = [Transformer(str(tiny_checkpoint)), Pooling(32, ["lasttoken", "max"]), dense, Normalize()]
    prompts = {"query": "ask: ", "document": "text: "}
    SentenceTransformer(modules=modules, device="cpu", prompts=prompts).save(str(folder), create_model_card=False)
    return folder


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_trained_encoder_is_used_as_its_base(
    base: Path, sources: list[Source], tmp_path: Path, lora_rank: int
) -> None:
    settings = Training(base=str(base), batch_size=8, max_steps=2, precision="fp32", lora_rank=lora_rank, shared=True)
    train(sources, tmp_path / "pair", settings)
    saved: dict[str, Any] = json.loads((tmp_path / "pair" / "encoder.json").read_text(encoding="utf-8"))
    assert (saved["question_prompt"], saved["passage_prompt"]) == ("ask: ", "text: ")
    assert saved["pooling"] == "lasttoken+max"
    before, after = (load_encoder(folder, "fp32", "torch") for folder in (base, tmp_path / "pair"))
    assert not np.allclose(before.encode_questions(TEXTS), after.encode_questions(TEXTS), atol=1e-5)
    export(str(tmp_path / "pair"), tmp_path / "whole")
    library = SentenceTransformer(str(tmp_path / "whole" / "question"), device="cpu", local_files_only=True)
    np.testing.assert_allclose(after.encode_questions(TEXTS), library.encode_query(TEXTS), atol=1e-5)
    passages = [Passage(text, text) for text in TEXTS]
    np.testing.assert_allclose(after.encode_passages(passages), library.encode_document(TEXTS), atol=1e-5)


def test_prompts_of_the_settings_win_and_are_saved(base: Path, sources: list[Source], tmp_path: Path) -> None:
    settings = Training(
        base=str(base), batch_size=8, max_steps=1, shared=True, question_prompt="", passage_prompt="p: "
    )
    train(sources, tmp_path / "pair", settings)
    encoder = load_encoder(tmp_path / "pair", backend="torch")
    assert (encoder.question_prompt, encoder.passage_prompt) == ("", "p: ")
