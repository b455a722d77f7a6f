from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from dpr.errors import ConfigError, ModelError
from dpr.models import cross_encoder as cross_encoder_module
from dpr.models.cross_encoder import load_cross_encoder
from dpr.types import Passage
from tests.tiny_models import make_cross_encoder

QUESTIONS = ["Who wrote it?", "When was it?", "Who wrote it?"]
PASSAGES = [Passage("1", "In 1887, in Paris.", "The tower"), Passage("2", "Nobody " * 60), Passage("3", "She did.")]


def test_scores_are_the_logits_of_each_pair_alone(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path)
    monkeypatch.setattr(cross_encoder_module, "BATCH_TOKENS", {"cpu": 200})
    scores = load_cross_encoder(folder, "fp32").score(QUESTIONS, PASSAGES)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = ["The tower In 1887, in Paris.", "Nobody " * 60, "She did."]
    for question, text, score in zip(QUESTIONS, texts, scores, strict=True):
        inputs = tokenizer(question, text, truncation=True, max_length=128, return_tensors="pt")
        with torch.no_grad():
            assert score == pytest.approx(model(**inputs).logits.item(), abs=1e-5)
    assert len(np.unique(scores)) == 3
    assert load_cross_encoder(folder, "fp32").score([], []).shape == (0,)


def test_a_model_of_several_labels_or_none_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path, labels=3)
    with pytest.raises(ModelError, match="has 3 labels, but a cross-encoder has one score"):
        load_cross_encoder(folder)
    with pytest.raises(ModelError, match=r"has no weights for classifier\.\w+, so it is no AutoModelForSequenceCl"):
        load_cross_encoder(tiny_checkpoint)


def test_a_recorded_length_cuts_pairs_as_the_library_does(tiny_checkpoint: Path, tmp_path: Path) -> None:
    make_cross_encoder(tiny_checkpoint, tmp_path / "plain")
    CrossEncoder(str(tmp_path / "plain"), device="cpu", max_length=20).save_pretrained(str(tmp_path / "saved"))
    library = CrossEncoder(str(tmp_path / "saved"), device="cpu")
    pairs = list(zip(QUESTIONS, ["The tower In 1887, in Paris.", "Nobody " * 60, "She did."], strict=True))
    expected = library.predict(pairs, activation_fn=torch.nn.Identity())
    scores = load_cross_encoder(tmp_path / "saved", "fp32").score(QUESTIONS, PASSAGES)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    whole = load_cross_encoder(tmp_path / "plain", "fp32").score(QUESTIONS, PASSAGES)
    assert abs(scores - whole)[1] > 1e-4


def test_a_cross_encoder_with_a_prompt_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path)
    settings = {"prompts": {"rank": "Rank it: "}, "default_prompt_name": "rank"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(ModelError, match="needs the prompt 'Rank it: ' before a pair, which is not supported"):
        load_cross_encoder(folder)


@pytest.mark.parametrize("type_vocabulary", [2, 1])
def test_openvino_gives_the_scores_of_torch(tiny_checkpoint: Path, tmp_path: Path, type_vocabulary: int) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path / "model", type_vocab_size=type_vocabulary)
    expected = load_cross_encoder(folder, "fp32", "torch").score(QUESTIONS, PASSAGES)
    scores = load_cross_encoder(folder, "fp32", "openvino").score(QUESTIONS, PASSAGES)
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert np.ptp(expected) > 1e-2


def test_an_unknown_backend_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path)
    with pytest.raises(ConfigError, match="unknown backend 'tpu'; choose auto, torch, openvino"):
        load_cross_encoder(folder, backend="tpu")
