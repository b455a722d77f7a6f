from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from dpr.errors import ConfigError, ModelError
from dpr.measured import TokensRead
from dpr.models.checkpoint import load_tokenizer
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.models.locate import detect_config
from dpr.models.pooling import cls_pooling, mean_pooling
from dpr.models.text_encoder import EncoderConfig
from dpr.types import Passage

PASSAGES = [
    Passage("1", "a short one"),
    Passage("2", "a much longer passage with many more words than the others have", "title"),
    Passage("3", "가나다", "제목"),
]


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint: Path) -> DualEncoder:
    return load_encoder(tiny_checkpoint, precision="fp32")


def other_encoder(directory: Path, source: Path, hidden_size: int = 32) -> Path:
    """Save an encoder with the tokenizer of ``source`` and other random weights."""
    shutil.copytree(source, directory)
    config = BertConfig.from_pretrained(source)
    config.hidden_size = hidden_size
    torch.manual_seed(1)
    BertModel(config).save_pretrained(directory)
    return directory


def test_vectors_equal_the_plain_model_one_text_at_a_time(encoder: DualEncoder, tiny_checkpoint: Path) -> None:
    model = AutoModel.from_pretrained(tiny_checkpoint).eval()
    tokenizer = load_tokenizer(tiny_checkpoint)
    vectors = encoder.encode_passages(PASSAGES)
    for passage, vector in zip(PASSAGES, vectors, strict=True):
        pair = (passage.title, passage.text) if passage.title else (passage.text,)
        inputs = torch.tensor([tokenizer(*pair)["input_ids"]])
        with torch.inference_mode():
            expected = torch.nn.functional.normalize(model(inputs).last_hidden_state.mean(1), dim=-1)[0]
        np.testing.assert_allclose(vector, expected.numpy(), atol=1e-5)


def test_order_is_restored_and_progress_reaches_the_end(encoder: DualEncoder) -> None:
    passages = [Passage(str(length), "word " * length) for length in (3, 40, 1, 17, 25)]
    seen: list[tuple[str, int, int | None]] = []
    together = encoder.encode_passages(passages, lambda *step: seen.append(step))
    alone = np.concatenate([encoder.encode_passages([passage]) for passage in passages])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert seen[-1] == ("encode", 5, 5)


def test_no_texts_give_an_empty_matrix(encoder: DualEncoder) -> None:
    assert encoder.encode_passages([]).shape == (0, 32)
    assert encoder.encode_questions([]).shape == (0, 32)


def test_bf16_stays_close_to_fp32(encoder: DualEncoder, tiny_checkpoint: Path) -> None:
    reduced = load_encoder(tiny_checkpoint, precision="bf16")
    cosines = (encoder.encode_passages(PASSAGES) * reduced.encode_passages(PASSAGES)).sum(1)
    assert cosines.min() > 0.999
    assert encoder.fingerprint == reduced.fingerprint


def test_pooling() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert mean_pooling(states, mask).tolist() == [[2.0, 3.0]]
    assert cls_pooling(states, mask).tolist() == [[1.0, 2.0]]


def test_separate_encoders_from_one_directory_or_two_names(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pair = tmp_path / "pair"
    pair.mkdir()
    question = shutil.copytree(tiny_checkpoint, pair / "question")
    passage = other_encoder(pair / "passage", tiny_checkpoint)
    (pair / "encoder.json").write_text(json.dumps({"pooling": "cls", "normalize": False}), encoding="utf-8")
    encoder = load_encoder(pair, precision="fp32")
    same = ["abc"], [Passage("1", "abc")]
    assert not np.allclose(encoder.encode_questions(same[0]), encoder.encode_passages(same[1]), atol=1e-3)
    assert encoder.config == EncoderConfig("cls", False, 128, 128)  # cut to the model's 128 positions
    named = load_encoder(f"{question},{passage}", precision="fp32")
    assert named.fingerprint != encoder.fingerprint  # other pooling
    assert named.question_encoder is not named.passage_encoder


def test_the_end_of_a_question_shapes_its_vector_until_the_positions_end(encoder: DualEncoder) -> None:
    start = "ab " * 50  # 100 tokens of 128, less the special ones
    ends = [f"{start}{end}" for end in ("cd", "ef")]
    vectors = encoder.encode_questions(ends)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-4)
    assert encoder.tokens_read(ends[0]) == TokensRead(102, 102)
    assert encoder.tokens_read(ends[0]).note("encoder") == ""
    longer = encoder.tokens_read(start + "x" * 100)
    assert longer == TokensRead(126, 200)
    assert longer.note("encoder") == "the encoder read the first 126 of 200 tokens of the question"


def test_reading_more_of_a_question_leaves_an_index_valid(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "question")
    fingerprints = []
    for lengths in ({"question_tokens": 20}, {"question_tokens": 40}, {"passage_tokens": 40}):
        (tmp_path / "encoder.json").write_text(json.dumps(lengths), encoding="utf-8")
        fingerprints.append(load_encoder(tmp_path, precision="fp32").fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_shared_weights_encode_a_question_as_an_untitled_passage(encoder: DualEncoder) -> None:
    same = encoder.encode_questions(["abc"]), encoder.encode_passages([Passage("1", "abc")])
    np.testing.assert_allclose(*same, atol=1e-6)


def test_encoders_of_different_widths_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    wide = other_encoder(tmp_path / "wide", tiny_checkpoint, hidden_size=48)
    with pytest.raises(ModelError, match="vectors of 32 numbers and BERT_p of 48"):
        load_encoder(f"{tiny_checkpoint},{wide}")


MODULES = {"Transformer": "", "Pooling": "1_Pooling"}


def test_sentence_transformers_settings_are_read(tmp_path: Path) -> None:
    modules = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in MODULES.items()]
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', encoding="utf-8")
    (tmp_path / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 48}', encoding="utf-8")
    assert detect_config(tmp_path) == EncoderConfig("cls", normalize=False, question_tokens=48, passage_tokens=48)


def test_bad_settings_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown precision 'int3'"):
        load_encoder(tiny_checkpoint, precision="int3")
    shutil.copytree(tiny_checkpoint, tmp_path / "question")
    (tmp_path / "encoder.json").write_text('{"poolling": "mean"}', encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown setting 'poolling'"):
        load_encoder(tmp_path)
    (tmp_path / "encoder.json").write_text('{"pooling": "cls+min"}', encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown pooling 'min'"):
        load_encoder(tmp_path)
