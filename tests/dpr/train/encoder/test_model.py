from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForQuestionAnswering

from dpr.data.passages import read_examples
from dpr.errors import ModelError
from dpr.models.adapters import add_lora, save_weights
from dpr.models.checkpoint import load_model, load_tokenizer
from dpr.models.encoders import load_encoder
from dpr.train.batches import Source
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from dpr.types import Passage


@pytest.fixture(scope="module")
def sources(demo_files: tuple[Path, Path]) -> list[Source]:
    return [Source("korean", list(read_examples(f"korquad:{demo_files[1]}@:2")))]


def settings(base: Path, lora_rank: int, shared: bool) -> Training:
    training = Training(base=str(base), batch_size=8, max_steps=2, learning_rate=1e-2, precision="fp32")
    return replace(training, lora_rank=lora_rank, shared=shared)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("lora_rank", [0, 4])
def test_every_form_is_saved_as_it_was_in_memory(
    lora_rank: int, shared: bool, tiny_checkpoint: Path, sources: list[Source], tmp_path: Path
) -> None:
    train(sources, tmp_path / "pair", settings(tiny_checkpoint, lora_rank, shared))
    encoder = load_encoder(tmp_path / "pair", "fp32")
    assert (encoder.question_encoder is encoder.passage_encoder) == shared
    assert (tmp_path / "pair" / "passage").exists() != shared
    tokenizer = load_tokenizer(tmp_path / "pair" / "question")
    before = load_encoder(tiny_checkpoint, "fp32").encode_questions(["세종대왕께서는", "Who?"])
    after = encoder.encode_questions(["세종대왕께서는", "Who?"])
    assert np.abs(before - after).max() > 1e-3
    again = make_pair(settings(tmp_path / "pair", lora_rank, shared))
    ids = torch.tensor([tokenizer("세종대왕께서는")["input_ids"]])
    vector = again.question(ids, torch.ones_like(ids))
    assert vector.detach().numpy() == pytest.approx(after[:1], abs=1e-5)


def test_an_adapter_is_small_and_names_its_base(tiny_checkpoint: Path, sources: list[Source], tmp_path: Path) -> None:
    train(sources, tmp_path, settings(tiny_checkpoint, 4, shared=True))
    adapter = tmp_path / "question"
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == str(tiny_checkpoint)
    assert not (adapter / "model.safetensors").exists()
    train(sources, tmp_path / "more", settings(tmp_path, 4, shared=True))
    config = json.loads((tmp_path / "more" / "question" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == str(tiny_checkpoint)
    with pytest.raises(ModelError, match="has an adapter of rank 4; train it with lora_rank 4"):
        train(sources, tmp_path / "other", settings(tmp_path, 8, shared=True))


def test_other_libraries_open_each_encoder(tiny_checkpoint: Path, sources: list[Source], tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel

    train(sources, tmp_path, replace(settings(tiny_checkpoint, 0, shared=False), passage_tokens=32))
    encoder = load_encoder(tmp_path, "fp32")
    model = AutoModel.from_pretrained(tmp_path / "question")
    assert model.config.vocab_size == len(load_tokenizer(tmp_path / "question"))
    passage = Passage("1", "세종대왕께서는 훈민정음을 만들었다. " * 20)
    theirs = SentenceTransformer(str(tmp_path / "passage"), device="cpu").encode([passage.text])
    assert theirs == pytest.approx(encoder.encode_passages([passage]), abs=1e-5)


def test_a_reader_s_adapter_is_not_trained_as_an_encoder(tiny_checkpoint: Path, tmp_path: Path) -> None:
    base = load_model(AutoModelForQuestionAnswering, tiny_checkpoint, new_head=True)
    reader = add_lora(base, 2, 4, str(tiny_checkpoint), task_type="QUESTION_ANS", modules_to_save=["qa_outputs"])
    save_weights(reader, tmp_path)
    with pytest.raises(ModelError, match="is an adapter of another kind of model than BertModel"):
        make_pair(Training(base=str(tmp_path), lora_rank=2))


def test_an_adapter_on_another_is_trained_with_that_one_below_it(
    tiny_checkpoint: Path, sources: list[Source], tmp_path: Path
) -> None:
    """The weights that a training starts from are those that the encoder reads with."""
    train(sources, tmp_path / "first", settings(tiny_checkpoint, 4, shared=True))
    below, upper = tmp_path / "first" / "question", tmp_path / "upper"
    shutil.copytree(below, upper)
    described = json.loads((upper / "adapter_config.json").read_text(encoding="utf-8"))
    described["base_model_name_or_path"] = str(below)
    (upper / "adapter_config.json").write_text(json.dumps(described), encoding="utf-8")
    pair = make_pair(settings(upper, 4, shared=True))
    ids = torch.tensor([load_tokenizer(upper)("Who?")["input_ids"]])
    vector = pair.question(ids, torch.ones_like(ids)).detach().numpy()
    assert vector == pytest.approx(load_encoder(upper, "fp32").encode_questions(["Who?"]), abs=1e-5)
    assert np.abs(vector - load_encoder(below, "fp32").encode_questions(["Who?"])).max() > 1e-3
    assert pair.bases == (str(below), str(below))
