"""SPLADE weights equal those of sentence-transformers' SparseEncoder."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpr.config import ComputeOptions
from dpr.errors import ModelError
from dpr.models.splade import SpladeEncoder, load_splade
from dpr.types import Passage, TermWeights
from tests.learned_models import make_splade, write_json

sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["hello world", "a much longer text that goes on, and on! " * 6, "짧은 가각 글", "x"]
FP32 = ComputeOptions("fp32", "torch")


@pytest.fixture(scope="module")
def plain(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_splade(tiny_checkpoint, tmp_path_factory.mktemp("splade") / "plain")


def saved(plain: Path, folder: Path, **pooling: object) -> Path:
    """Save the model as a SparseEncoder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sentence_transformers.SparseEncoder(str(plain), device="cpu")
        model.prompts = {"query": "ask: ", "document": "page: "}
        model.save(str(folder))
    path = next(folder.glob("*_SpladePooling")) / "config.json"
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **pooling})
    return folder


def dense(encoder: SpladeEncoder, encoded: TermWeights) -> Any:
    matrix = np.zeros((len(encoded), encoder.dimension), dtype=np.float32)
    matrix[np.repeat(np.arange(len(encoded)), np.diff(encoded.starts)), encoded.terms] = encoded.weights
    return matrix


@pytest.mark.parametrize("pooling", [{}, {"pooling_strategy": "sum"}, {"activation_function": "log1p_relu"}])
def test_weights_equal_the_reference(plain: Path, tmp_path: Path, pooling: dict[str, str]) -> None:
    folder = saved(plain, tmp_path / "saved", **pooling)
    reference = sentence_transformers.SparseEncoder(str(folder), device="cpu")
    encoder = load_splade(folder, FP32)
    expected = reference.encode_query(TEXTS, convert_to_sparse_tensor=False).cpu().numpy()
    np.testing.assert_allclose(dense(encoder, encoder.encode_questions(TEXTS)), expected, atol=1e-4)
    expected = reference.encode_document(TEXTS, convert_to_sparse_tensor=False).cpu().numpy()
    encoded = encoder.encode_passages([Passage("", text) for text in TEXTS])
    np.testing.assert_allclose(dense(encoder, encoded), expected, atol=1e-4)
    assert encoded.is_cut.tolist() == [False, True, False, False]
    titled = encoder.encode_passages([Passage("", "world", "hello")])
    np.testing.assert_allclose(
        dense(encoder, titled), reference.encode_document(["hello world"], convert_to_sparse_tensor=False), atol=1e-4
    )


def test_a_plain_masked_language_model_equals_the_reference(plain: Path) -> None:
    reference = sentence_transformers.SparseEncoder(str(plain), device="cpu")
    encoder = load_splade(plain, FP32)
    expected = reference.encode(TEXTS, convert_to_sparse_tensor=False).cpu().numpy()
    np.testing.assert_allclose(dense(encoder, encoder.encode_questions(TEXTS)), expected, atol=1e-4)
    assert encoder.tokens_read("hello").read == 5


def test_the_configuration_is_part_of_the_fingerprint(plain: Path, tmp_path: Path) -> None:
    folder = saved(plain, tmp_path / "saved")
    first = load_splade(folder, FP32).fingerprint
    path = next(folder.glob("*_SpladePooling")) / "config.json"
    write_json(path, {"pooling_strategy": "sum"})
    assert load_splade(folder, FP32).fingerprint != first


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"pooling_strategy": "mean"}, "pools by mean of relu, which is not supported"),
        ({"activation_function": "gelu"}, "pools by max of gelu"),
    ],
)
def test_what_is_not_supported_is_refused(plain: Path, tmp_path: Path, changes: dict[str, str], cause: str) -> None:
    with pytest.raises(ModelError, match=cause):
        load_splade(saved(plain, tmp_path / "saved", **changes), FP32)


def test_other_modules_are_refused(plain: Path, tmp_path: Path) -> None:
    folder = saved(plain, tmp_path / "saved")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[0]["type"] = "sentence_transformers.base.modules.router.Router"
    write_json(folder / "modules.json", modules)
    with pytest.raises(ModelError, match="has the modules Router, SpladePooling, but only a Transformer with"):
        load_splade(folder, FP32)
