from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, AutoModelForQuestionAnswering

from dpr.config import BUNDLED_MODELS, DEFAULT_BASE, DEFAULT_ENCODER, OFFLINE_BASE
from dpr.errors import ModelError
from dpr.models import checkpoint
from dpr.models.checkpoint import (
    base_of,
    content_hash,
    load_model,
    load_tokenizer,
    resolve,
    save_tokenizer,
)


def test_the_offline_base_comes_from_its_package() -> None:
    directory = resolve(OFFLINE_BASE)
    assert (directory / "model.safetensors").is_file()


@pytest.mark.parametrize("name", [DEFAULT_BASE, DEFAULT_ENCODER])
def test_a_bundled_model_is_found_by_its_name_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve(name) == BUNDLED_MODELS / name


def test_a_damaged_offline_base_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_OFFLINE_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="damaged; reinstall"):
        resolve(OFFLINE_BASE)


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a model directory: .*; give the folder"):
        resolve(tmp_path)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("runs/pair", "there is no folder 'runs/pair', and the Hugging Face hub provides no such model"),
        ("./pair", "there is no folder './pair', and it is no possible name on the Hugging Face hub; check"),
        ("/data/runs/pair", "there is no folder '/data/runs/pair', and it is no possible name on the Hugging Face hub"),
        (
            "runs/pair/question",
            "there is no folder 'runs/pair/question', and it is no possible name on the Hugging Face hub",
        ),
        ("model.safetensors", "model.safetensors is a file, and a model is a folder; give the folder"),
    ],
)
def test_a_misspelt_folder_is_said_to_be_absent(
    name: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError) as caught:
        resolve(name)
    assert str(caught.value).startswith(cause)


def test_content_hash_changes_with_a_weight_and_not_with_the_place(tiny_checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    assert content_hash(copy) == content_hash(tiny_checkpoint)
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    assert content_hash(copy) != content_hash(tiny_checkpoint)


def test_a_checkpoint_without_the_head_is_refused_unless_it_is_to_be_trained(tiny_checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="qa_outputs"):
        load_model(AutoModelForQuestionAnswering, tiny_checkpoint)
    model = load_model(AutoModelForQuestionAnswering, tiny_checkpoint, new_head=True)
    assert not model.training
    assert model.qa_outputs.weight.shape == (2, 32)


def test_truncated_weights_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded as AutoModel"):
        load_model(AutoModel, copy)


def test_an_adapter_is_merged_into_its_base(tiny_checkpoint: Path, tmp_path: Path) -> None:
    base = load_model(AutoModel, tiny_checkpoint)
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules=["query"], init_lora_weights=False))
    adapted.peft_config["default"].base_model_name_or_path = str(tiny_checkpoint)
    adapted.save_pretrained(str(tmp_path))
    inputs = torch.tensor([[2, 7, 8, 3]])
    with torch.inference_mode():
        expected = adapted.eval()(inputs).last_hidden_state
        merged = load_model(AutoModel, tmp_path)(inputs).last_hidden_state
        plain = load_model(AutoModel, tiny_checkpoint)(inputs).last_hidden_state
    torch.testing.assert_close(merged, expected)
    assert not torch.allclose(merged, plain, atol=1e-3)
    assert load_tokenizer(tmp_path).pad_token_id == 0


def test_an_adapter_that_names_no_base_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}), encoding="utf-8")
    with pytest.raises(ModelError, match="names no base_model_name_or_path"):
        load_model(AutoModel, tmp_path)


def test_an_adapter_may_stand_on_another(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """A reader's adapter on an encoder that is an adapter itself."""
    torch.manual_seed(0)
    encoder = get_peft_model(load_model(AutoModel, tiny_checkpoint), _lora("query"))
    encoder.peft_config["default"].base_model_name_or_path = str(tiny_checkpoint)
    encoder.save_pretrained(str(tmp_path / "encoder"))
    on_top = load_model(AutoModelForQuestionAnswering, tmp_path / "encoder", new_head=True)
    reader = get_peft_model(on_top, _lora("value", task_type="QUESTION_ANS", modules_to_save=["qa_outputs"]))
    reader.peft_config["default"].base_model_name_or_path = str(tmp_path / "encoder")
    reader.save_pretrained(str(tmp_path / "reader"), save_embedding_layers=False)
    inputs = torch.tensor([[2, 7, 8, 3]])
    with torch.inference_mode():
        expected = reader.eval()(inputs)
        merged = load_model(AutoModelForQuestionAnswering, tmp_path / "reader")(inputs)
    torch.testing.assert_close(merged.start_logits, expected.start_logits)
    assert load_tokenizer(tmp_path / "reader").pad_token_id == 0
    assert content_hash(tmp_path / "reader") != content_hash(tmp_path / "encoder")


def test_a_encoder_is_no_reader(tiny_checkpoint: Path, tmp_path: Path) -> None:
    encoder = get_peft_model(load_model(AutoModel, tiny_checkpoint), _lora("query"))
    encoder.peft_config["default"].base_model_name_or_path = str(tiny_checkpoint)
    encoder.save_pretrained(str(tmp_path))
    with pytest.raises(ModelError, match="has no weights for qa_outputs"):
        load_model(AutoModelForQuestionAnswering, tmp_path)


def test_a_reader_s_adapter_is_no_encoder(tiny_checkpoint: Path, tmp_path: Path) -> None:
    base = load_model(AutoModelForQuestionAnswering, tiny_checkpoint, new_head=True)
    reader = get_peft_model(base, _lora("value", task_type="QUESTION_ANS", modules_to_save=["qa_outputs"]))
    reader.peft_config["default"].base_model_name_or_path = str(tiny_checkpoint)
    reader.save_pretrained(str(tmp_path), save_embedding_layers=False)
    with pytest.raises(ModelError, match=r"is an adapter of another kind of model than BertModel, without bert\."):
        load_model(AutoModel, tmp_path)


def _lora(target: str, **options: Any) -> LoraConfig:
    return LoraConfig(r=2, target_modules=[target], init_lora_weights=False, **options)


def test_an_encoder_of_a_bundled_pair_is_found_by_its_name(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "BUNDLED_MODELS", tmp_path)
    shutil.copytree(tiny_checkpoint, tmp_path / "pair" / "question")
    assert resolve("pair/question") == tmp_path / "pair" / "question"
    with pytest.raises(ModelError):
        resolve("pair/../pair/question")


def test_models_that_are_shipped_together_find_each_other(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "pair" / "question")
    adapted = get_peft_model(load_model(AutoModel, tiny_checkpoint), _lora("query"))
    adapted.peft_config["default"].base_model_name_or_path = "pair/question"
    adapted.save_pretrained(str(tmp_path / "reader"), save_embedding_layers=False)
    assert base_of(tmp_path / "reader") == tmp_path / "pair" / "question"
    assert load_model(AutoModel, tmp_path / "reader")


def test_a_saved_tokenizer_names_a_class_that_older_transformers_know_too(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(resolve(DEFAULT_BASE))
    tokenizer.add_special_tokens({"additional_special_tokens": ["[E1]", "[E2]"]})
    save_tokenizer(tokenizer, tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert config["additional_special_tokens"] == ["[E1]", "[E2]"]
    assert "extra_special_tokens" not in config
    text = "백록담은 [E1] 어디에 있나? Where is it?"
    read = load_tokenizer(tmp_path)
    assert dict(read(text)) == dict(tokenizer(text))
    assert read.decode(read(text)["input_ids"], skip_special_tokens=True) == tokenizer.decode(
        tokenizer(text)["input_ids"], skip_special_tokens=True
    )
