"""Token vectors equal those of PyLate and of sentence-transformers' MultiVectorEncoder."""

from __future__ import annotations

import string
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dpr.config import ComputeOptions
from dpr.errors import ModelError
from dpr.models.colbert import ColbertEncoder, load_colbert
from dpr.types import Passage, TokenVectors
from tests.learned_models import make_colbert, write_json

QUESTIONS = ["hello world?", "who, what!", "짧은 가각 글", "a very long question of more tokens than are read"]
PASSAGES = ["hello, world.", "a much longer text that goes on, and on! " * 3, "짧은 가각 글", "x", "?!"]
FP32 = ComputeOptions("fp32", "torch")


def rows(encoded: TokenVectors) -> list[Any]:
    return [encoded.vectors[a:b] for a, b in zip(encoded.starts[:-1], encoded.starts[1:], strict=True)]


def passages(texts: Sequence[str]) -> list[Passage]:
    return [Passage("", text) for text in texts]


def reference(folder: Path) -> Any:
    module = pytest.importorskip("sentence_transformers.multi_vector_encoder")
    return module.MultiVectorEncoder(str(folder), device="cpu")


def assert_alike(encoder: ColbertEncoder, model: Any) -> None:
    for actual, expected in (
        (rows(encoder.encode_questions(QUESTIONS)), model.encode_query(QUESTIONS)),
        (rows(encoder.encode_passages(passages(PASSAGES))), model.encode_document(PASSAGES)),
    ):
        for ours, theirs in zip(actual, expected, strict=True):
            np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"attend_to_expansion_tokens": True},
        {"do_query_expansion": False},
        {"skiplist_words": ["a", "!"], "query_length": 32},
    ],
)
def test_vectors_of_a_pylate_folder(tiny_checkpoint: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    folder = make_colbert(tiny_checkpoint, tmp_path / "model", **settings)
    encoder = load_colbert(folder, FP32)
    assert_alike(encoder, reference(folder))
    encoded = encoder.encode_passages(passages(PASSAGES))
    assert encoded.is_cut.tolist() == [False, True, False, False, False]
    np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-5)


def test_vectors_that_pylate_gave(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The sums of PyLate 1.6.0 over the same model; it needs releases that this project cannot be installed with."""
    encoder = load_colbert(make_colbert(tiny_checkpoint, tmp_path / "model"), FP32)
    questions, texts = rows(encoder.encode_questions(QUESTIONS)), rows(encoder.encode_passages(passages(PASSAGES)))
    scores = [[float((q @ d.T).max(axis=1).sum()) if len(d) else 0.0 for d in texts] for q in questions]
    np.testing.assert_allclose(scores, PYLATE_SCORES, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_vectors_of_a_folder_of_sentence_transformers(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = reference(make_colbert(tiny_checkpoint, tmp_path / "model"))
    model.prompts = {"query": "ask: ", "document": "page: "}
    for number, expansion in enumerate(
        (None, {"strategy": "min", "length": 12, "attend": True}, {"strategy": "fixed", "length": 20})
    ):
        model[0].query_expansion = expansion
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(str(tmp_path / f"saved-{number}"))
        encoder = load_colbert(tmp_path / f"saved-{number}", FP32)
        assert_alike(encoder, reference(tmp_path / f"saved-{number}"))


@pytest.mark.filterwarnings("ignore")
def test_vectors_of_an_original_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = make_colbert(tiny_checkpoint, tmp_path / "model")
    projection = load_file(folder / "1_Dense" / "model.safetensors")
    weights = {f"bert.{name}": weight for name, weight in load_file(folder / "model.safetensors").items()}
    save_file({**weights, **projection}, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (folder / name).unlink()
    config = (folder / "config.json").read_text(encoding="utf-8").replace('"BertModel"', '"HF_ColBERT"')
    (folder / "config.json").write_text(config, encoding="utf-8")
    metadata = {"query_token_id": "[Q] ", "doc_token_id": "[D] ", "query_maxlen": 24, "doc_maxlen": 40}
    write_json(folder / "artifact.metadata", metadata)
    encoder = load_colbert(folder, FP32)
    questions, texts = rows(encoder.encode_questions(QUESTIONS)), rows(encoder.encode_passages(passages(PASSAGES)))
    scores = [[float((q @ d.T).max(axis=1).sum()) if len(d) else 0.0 for d in texts] for q in questions]
    np.testing.assert_allclose(scores, PYLATE_SCORES, atol=1e-4)
    del weights["bert.embeddings.word_embeddings.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError):
        load_colbert(folder, FP32)


def test_a_folder_that_lacks_something_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = make_colbert(tiny_checkpoint, tmp_path / "model", query_prefix="[ask]")
    with pytest.raises(ModelError, match=r"lacks the marker '\[ask\]' that its configuration names"):
        load_colbert(folder, FP32)
    save_file({"linear.weight": torch.zeros(16, 31)}, folder / "1_Dense" / "model.safetensors")
    with pytest.raises(ModelError, match="has a projection of 31 numbers where 32 come in"):
        load_colbert(folder, FP32)
    (folder / "1_Dense" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be read as a Dense module"):
        load_colbert(folder, FP32)
    write_json(folder / "modules.json", [{"path": "", "type": "sentence_transformers.models.Transformer"}])
    with pytest.raises(ModelError, match="has no projection of token states"):
        load_colbert(folder, FP32)


def test_questions_are_filled_up_and_punctuation_is_skipped(tiny_checkpoint: Path, tmp_path: Path) -> None:
    encoder = load_colbert(make_colbert(tiny_checkpoint, tmp_path / "model"), FP32)
    assert np.diff(encoder.encode_questions(QUESTIONS).starts).tolist() == [24] * 4
    assert encoder.config.skipped_words == tuple(string.punctuation)
    [*_, of_punctuation] = rows(encoder.encode_passages(passages(PASSAGES)))
    assert len(of_punctuation) == 3  # the first token, the marker and the last one
    assert encoder.encode_questions([]).vectors.shape == (0, 16)


PYLATE_SCORES = [
    [22.78311, 21.86084, 17.05484, 17.74227, 20.41939],
    [18.29834, 19.169, 18.97189, 18.0104, 19.12934],
    [10.9966, 19.28768, 21.00657, 19.79735, 10.49862],
    [22.93386, 22.04088, 16.42664, 17.15778, 20.10193],
]
