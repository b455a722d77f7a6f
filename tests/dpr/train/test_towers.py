from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dpr.data.passages import read_examples
from dpr.errors import ModelError
from dpr.models.adapters import write_rows
from dpr.models.checkpoint import load_tokenizer
from dpr.models.encoders import load_encoder
from dpr.train.batches import Source
from dpr.train.settings import Training
from dpr.train.towers import make_towers
from dpr.train.train import train
from dpr.types import Passage

ADDED = ["세종대왕", "##께서는"]


@pytest.fixture(scope="module")
def sources(demo_files: tuple[Path, Path]) -> list[Source]:
    return [Source("korean", list(read_examples(f"korquad:{demo_files[1]}@:2")))]


@pytest.fixture(scope="module")
def extended(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with two more WordPieces."""
    from transformers import BertTokenizer

    folder = tmp_path_factory.mktemp("extended")
    vocabulary = load_tokenizer(tiny_checkpoint).get_vocab()
    for piece in ADDED:
        vocabulary[piece] = len(vocabulary)
    BertTokenizer(vocab=vocabulary, do_lower_case=True, strip_accents=False).save_pretrained(folder)
    torch.manual_seed(5)
    write_rows(folder, torch.randn(len(ADDED), 32), str(tiny_checkpoint))
    return folder


def settings(base: Path, lora_rank: int, shared: bool) -> Training:
    training = Training(base=str(base), batch_size=8, max_steps=2, learning_rate=1e-2, precision="fp32")
    return replace(training, lora_rank=lora_rank, shared=shared)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("lora_rank", [0, 4])
def test_every_form_is_saved_as_it_was_in_memory(
    lora_rank: int, shared: bool, extended: Path, sources: list[Source], tmp_path: Path
) -> None:
    train(sources, tmp_path / "pair", settings(extended, lora_rank, shared))
    encoder = load_encoder(tmp_path / "pair", "fp32")
    assert (encoder.question_tower is encoder.passage_tower) == shared
    assert (tmp_path / "pair" / "passage").exists() != shared
    tokenizer = load_tokenizer(tmp_path / "pair" / "question")
    assert tokenizer.tokenize("세종대왕께서는") == ADDED
    before = load_encoder(extended, "fp32").encode_questions(["세종대왕께서는", "Who?"])
    after = encoder.encode_questions(["세종대왕께서는", "Who?"])
    assert np.abs(before - after).max() > 1e-3
    again = make_towers(settings(tmp_path / "pair", lora_rank, shared))
    ids = torch.tensor([tokenizer("세종대왕께서는")["input_ids"]])
    vector = again.question(ids, torch.ones_like(ids))
    assert vector.detach().numpy() == pytest.approx(after[:1], abs=1e-5)


def test_an_adapter_and_its_rows_are_small_and_name_their_base(
    extended: Path, tiny_checkpoint: Path, sources: list[Source], tmp_path: Path
) -> None:
    train(sources, tmp_path, settings(extended, 4, shared=True))
    adapter = tmp_path / "question"
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == str(tiny_checkpoint)
    assert not (adapter / "model.safetensors").exists()
    assert (adapter / "vocabulary.safetensors").stat().st_size < 1000
    train(sources, tmp_path / "more", settings(tmp_path, 4, shared=True))
    config = json.loads((tmp_path / "more" / "question" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == str(tiny_checkpoint)
    with pytest.raises(ModelError, match="has an adapter of rank 4; train it with lora_rank 4"):
        train(sources, tmp_path / "other", settings(tmp_path, 8, shared=True))


def test_other_libraries_open_each_tower(tiny_checkpoint: Path, sources: list[Source], tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel

    train(sources, tmp_path, replace(settings(extended, 0, shared=False), passage_tokens=32))
    encoder = load_encoder(tmp_path, "fp32")
    model = AutoModel.from_pretrained(tmp_path / "question")
    assert model.config.vocab_size == len(load_tokenizer(tmp_path / "question"))
    passage = Passage("1", "세종대왕께서는 훈민정음을 만들었다. " * 20)
    theirs = SentenceTransformer(str(tmp_path / "passage"), device="cpu").encode([passage.text])
    assert theirs == pytest.approx(encoder.encode_passages([passage]), abs=1e-5)


def test_rows_for_another_base_are_refused(extended: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for path in extended.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_rows(tmp_path, torch.randn(2, 16), str(tiny_checkpoint))
    with pytest.raises(ModelError, match="16 numbers each and the base's 32; they were made for another base"):
        make_towers(settings(tmp_path, 4, shared=True))
    with pytest.raises(ModelError, match="made for another base"):
        load_encoder(tmp_path)
