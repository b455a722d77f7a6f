from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from dpr.models.cross_encoder import load_cross_encoder
from dpr.models.positions import longest_input
from dpr.reader.extractive.reader import load_reader
from dpr.types import Candidates, Passage

SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
LONG = Passage("1", "Deep Blue was built by IBM. " * 40)


def small(name: str, **values: Any) -> transformers.PreTrainedModel:
    config = getattr(transformers, f"{name}Config")(vocab_size=593, **{**SIZES, **values})
    model: transformers.PreTrainedModel = getattr(transformers, f"{name}Model")(config)
    return model


@pytest.mark.parametrize(
    ("name", "values", "tokens"),
    [
        ("Bert", {"max_position_embeddings": 64}, 64),
        ("Roberta", {"max_position_embeddings": 66, "pad_token_id": 1}, 64),
        ("XLMRoberta", {"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("Camembert", {"max_position_embeddings": 66, "pad_token_id": 1}, 64),
        ("MPNet", {"max_position_embeddings": 66}, 64),
        ("DistilBert", {"max_position_embeddings": 64}, 64),
        ("Qwen3", {"max_position_embeddings": 96, "head_dim": 16, "num_key_value_heads": 1}, 96),
    ],
)
def test_a_model_reads_as_many_tokens_and_not_one_more(name: str, values: dict[str, Any], tokens: int) -> None:
    model = small(name, **values).eval()
    assert longest_input(model) == tokens
    with torch.inference_mode():
        model(input_ids=torch.full((1, tokens), 7))


def test_a_model_of_relative_positions_has_no_limit() -> None:
    config = transformers.T5Config(vocab_size=593, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2)
    assert longest_input(transformers.T5EncoderModel(config)) is None


@pytest.fixture
def roberta(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A folder with the tiny tokenizer, for a RoBERTa of 66 positions."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "model", ignore=shutil.ignore_patterns("model*", "config.json"))


def save(architecture: str, folder: Path, **values: Any) -> None:
    config = transformers.RobertaConfig(
        vocab_size=593, max_position_embeddings=66, pad_token_id=1, type_vocab_size=1, **SIZES, **values
    )
    torch.manual_seed(0)
    getattr(transformers, f"RobertaFor{architecture}")(config).save_pretrained(folder)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_reader_of_roberta_reads_long_passages(roberta: Path, backend: str) -> None:
    save("QuestionAnswering", roberta)
    reader = load_reader(str(roberta), "fp32", backend=backend)
    assert reader.config.max_tokens == 64
    [reading] = reader.read([Candidates("Who built Deep Blue?", (LONG,), (1.0,))])
    assert reading is not None


def test_a_cross_encoder_of_roberta_scores_long_passages(roberta: Path) -> None:
    save("SequenceClassification", roberta, num_labels=1)
    assert load_cross_encoder(roberta, "fp32").score(["Who built Deep Blue?"], [LONG]).shape == (1,)
