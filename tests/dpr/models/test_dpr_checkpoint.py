from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, DPRConfig, DPRContextEncoder, DPRQuestionEncoder, DPRReader

from dpr.errors import ModelError
from dpr.models.checkpoint import content_hash, load_model, load_tokenizer, resolve
from dpr.models.dpr_checkpoint import DPR_CONFIG, encoder_class, is_dpr_checkpoint
from dpr.models.encoders import load_encoder
from dpr.models.locate import detect_config
from dpr.types import Passage

QUESTIONS = ["who wrote it?", "when?", "a longer question about something else than the others are about"]
PASSAGES = [
    Passage("1", "a short one"),
    Passage("2", "a much longer passage with many more words", "title"),
    Passage("3", "가나다"),
]


def save(folder: Path, model_class: Any, tokenizer_of: Path, projection_dim: int = 0, seed: int = 0) -> Path:
    """Save random weights in the layout of the published checkpoints."""
    torch.manual_seed(seed)
    known = BertConfig.from_pretrained(tokenizer_of).to_dict()
    sizes = {name: value for name, value in known.items() if name not in {"architectures", "model_type"}}
    shutil.copytree(tokenizer_of, folder, ignore=shutil.ignore_patterns("model.safetensors", "config.json"))
    model_class(DPRConfig(**sizes, projection_dim=projection_dim)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[0, 12], ids=["plain", "projected"])
def pair(
    request: pytest.FixtureRequest, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("dpr")
    question = save(folder / "question", DPRQuestionEncoder, tiny_checkpoint, request.param, seed=1)
    return question, save(folder / "passage", DPRContextEncoder, tiny_checkpoint, request.param, seed=2)


def reference(model_class: Any, directory: Path, *texts: str) -> np.ndarray[Any, Any]:
    inputs = load_tokenizer(directory)(*texts, return_tensors="pt")
    model = model_class.from_pretrained(directory).eval()
    with torch.inference_mode():
        vector: np.ndarray[Any, Any] = model(inputs["input_ids"], inputs["attention_mask"]).pooler_output[0].numpy()
    return vector


def test_vectors_are_those_of_the_original_classes(pair: tuple[Path, Path]) -> None:
    question_dir, passage_dir = pair
    encoder = load_encoder(f"{question_dir},{passage_dir}", precision="fp32")
    questions, passages = encoder.encode_questions(QUESTIONS), encoder.encode_passages(PASSAGES)
    for question, vector in zip(QUESTIONS, questions, strict=True):
        np.testing.assert_allclose(vector, reference(DPRQuestionEncoder, question_dir, question), atol=1e-5)
    for passage, vector in zip(PASSAGES, passages, strict=True):
        texts = (passage.title, passage.text) if passage.title else (passage.text,)
        np.testing.assert_allclose(vector, reference(DPRContextEncoder, passage_dir, *texts), atol=1e-5)
    assert encoder.dimension == questions.shape[1] == passages.shape[1]
    assert not np.allclose(np.linalg.norm(passages, axis=1), 1, atol=0.1)  # inner product, not cosine


def test_settings_are_the_original_ones(pair: tuple[Path, Path]) -> None:
    assert detect_config(pair[0]) == DPR_CONFIG
    assert (DPR_CONFIG.pooling, DPR_CONFIG.normalize) == ("cls", False)


def test_a_swapped_pair_is_refused(pair: tuple[Path, Path]) -> None:
    with pytest.raises(ModelError, match="is a DPRContextEncoder in place of the question encoder; give QUESTION,P"):
        load_encoder(f"{pair[1]},{pair[0]}")
    with pytest.raises(ModelError, match="is a DPRQuestionEncoder in place of the passage encoder"):
        load_encoder(f"{pair[0]},{pair[0]}")


def test_one_encoder_alone_serves_for_both(pair: tuple[Path, Path]) -> None:
    encoder = load_encoder(pair[1], precision="fp32")
    assert encoder.question_encoder is encoder.passage_encoder
    np.testing.assert_array_equal(encoder.encode_questions(["abc"]), encoder.encode_passages([Passage("1", "abc")]))


def test_a_loaded_encoder_saves_as_any_other_and_loads_to_the_same_vectors(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    encoder = load_encoder(",".join(map(str, pair)), precision="fp32")
    for role, loaded, source in (
        ("question", encoder.question_encoder, pair[0]),
        ("passage", encoder.passage_encoder, pair[1]),
    ):
        loaded.model.save_pretrained(tmp_path / role)
        load_tokenizer(source).save_pretrained(tmp_path / role)
    (tmp_path / "encoder.json").write_text('{"pooling": "cls", "normalize": false}', encoding="utf-8")
    again = load_encoder(tmp_path, precision="fp32")
    np.testing.assert_allclose(again.encode_questions(QUESTIONS), encoder.encode_questions(QUESTIONS), atol=1e-6)
    np.testing.assert_allclose(again.encode_passages(PASSAGES), encoder.encode_passages(PASSAGES), atol=1e-6)


def test_an_adapter_finds_its_original_base(pair: tuple[Path, Path], tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = load_model(encoder_class(pair[0]), pair[0])
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules=["query", "value"], init_lora_weights=False))
    adapted.save_pretrained(str(tmp_path))
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == str(pair[0])
    assert is_dpr_checkpoint(tmp_path)
    encoder = load_encoder(f"{tmp_path},{pair[1]}", precision="fp32")
    ids = torch.tensor([load_tokenizer(pair[0])(QUESTIONS[0])["input_ids"]])
    with torch.inference_mode():
        expected = adapted.eval()(ids).last_hidden_state[0, 0]
    found = encoder.encode_questions(QUESTIONS[:1])[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert not np.allclose(found, load_encoder(pair[0], precision="fp32").encode_questions(QUESTIONS[:1])[0], atol=1e-4)


def test_weights_as_they_were_first_published(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """In the older file format, with a pooler that nothing uses; they count in the fingerprint."""
    folder = save(tmp_path / "old", DPRQuestionEncoder, tiny_checkpoint)
    model = DPRQuestionEncoder.from_pretrained(folder)
    expected = load_encoder(folder, precision="fp32").encode_questions(QUESTIONS)
    state = model.state_dict() | {"question_encoder.bert_model.pooler.dense.bias": torch.zeros(32)}
    (folder / "model.safetensors").unlink()
    before = content_hash(folder)
    torch.save(state, folder / "pytorch_model.bin")
    assert content_hash(folder) != before
    np.testing.assert_array_equal(load_encoder(folder, precision="fp32").encode_questions(QUESTIONS), expected)


def test_a_checkpoint_without_its_weights_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "reader", DPRReader, tiny_checkpoint)
    with pytest.raises(ModelError, match="has no weights for"):
        load_encoder(folder)
    path = folder / "config.json"
    path.write_text(path.read_text(encoding="utf-8").replace("DPRReader", "DPRContextEncoder"), encoding="utf-8")
    with pytest.raises(
        ModelError, match=r"has no weights for ctx_encoder\.bert_model.*, so it is no DPRContextEncoder"
    ):
        load_encoder(folder)


def test_old_weights_are_fetched_only_where_there_are_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(tmp_path / name)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "new" / "model.safetensors").touch()
    monkeypatch.chdir(tmp_path.parent)
    assert resolve("new") == tmp_path / "new"
    assert ["pytorch_model*.bin" in patterns for patterns in asked] == [False]
    assert resolve("old") == tmp_path / "old"
    assert ["pytorch_model*.bin" in patterns for patterns in asked] == [False, False, True]
