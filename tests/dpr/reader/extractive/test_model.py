from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import RobertaConfig, RobertaForQuestionAnswering

from dpr.config import DEFAULT_READER
from dpr.errors import ConfigError, ModelError
from dpr.models.positions import longest_input
from dpr.reader.extractive.model import (
    ReaderConfig,
    fit_config,
    load_reader_model,
    read_reader_config,
    save_reader_config,
)
from dpr.reader.extractive.probability import Calibration
from tests.tiny_models import make_reader


def test_windows_fit_the_models_positions_and_answers_their_stride(tiny_reader: Path) -> None:
    network, _, _ = load_reader_model(tiny_reader)
    fitted = fit_config(ReaderConfig(), network.model)  # 128 positions
    assert (fitted.max_tokens, fitted.stride, fitted.question_tokens) == (128, 42, 21)
    assert fitted.max_answer_tokens == 30
    assert fit_config(
        ReaderConfig(max_tokens=60, stride=20, question_tokens=12, max_answer_tokens=5), network.model
    ) == (ReaderConfig(max_tokens=60, stride=20, question_tokens=12, max_answer_tokens=5))


@given(
    st.integers(1, 40), st.integers(0, 60), st.integers(1, 100), st.integers(1, 200), st.integers(0, 400),
    st.integers(0, 900),
)  # fmt: skip
def test_a_window_has_room_for_a_question_of_any_length(
    answer: int, more: int, question: int, room: int, more_positions: int, asked: int
) -> None:
    stride = answer - 1 + more
    config = ReaderConfig(question + 5 + stride + room, stride, question, max_answer_tokens=answer)
    positions = config.max_tokens + more_positions
    size = config.window(asked, positions)
    if asked <= question:
        assert size == (config.max_tokens, stride, question)
    assert size.max_tokens <= positions
    assert answer - 1 <= size.stride <= stride
    new_tokens = size.max_tokens - size.question_tokens - 4 - size.stride
    assert new_tokens >= min(answer, room)
    assert size.question_tokens == min(max(asked, question), config.longest_question(positions))
    assert config.longest_question(positions) >= positions - 4 - 2 * answer


def test_positions_are_those_that_hold_tokens(tiny_reader: Path) -> None:
    network, _, _ = load_reader_model(tiny_reader)
    assert longest_input(network.model) == 128
    roberta = RobertaForQuestionAnswering(
        RobertaConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
                      max_position_embeddings=50, pad_token_id=1)
    )  # fmt: skip
    assert longest_input(roberta) == 48
    roberta(torch.full((1, 48), 5))
    with pytest.raises((IndexError, RuntimeError)):
        roberta(torch.full((1, 49), 5))


def test_calibrations_are_kept_by_script(tiny_reader: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_reader, tmp_path / "reader")
    config = replace(
        read_reader_config(tmp_path / "reader"),
        calibration={
            "hangul": Calibration(-1.5, {"margin": 0.5}),
            "other": Calibration(0.5, {"margin": 1.0, "share": 2.0}),
        },
    )
    save_reader_config(tmp_path / "reader", config)
    assert read_reader_config(tmp_path / "reader") == config
    assert config.probability("누구?", {"margin": 3.0}) == pytest.approx(0.5)
    assert config.probability("who?", {"margin": -1.5, "share": 0.5}) == pytest.approx(0.5)
    assert ReaderConfig().probability("who?", {"margin": 3.0}) is None


def test_a_calibration_of_the_former_probability_is_left_out_with_a_warning(
    tiny_reader: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(tiny_reader, tmp_path / "reader")
    path = tmp_path / "reader" / "reader.json"
    former = json.loads(path.read_text(encoding="utf-8")) | {"calibration_margin": -4.1, "calibration_temperature": 2.6}
    del former["calibration"]
    path.write_text(json.dumps(former), encoding="utf-8")
    config = read_reader_config(tmp_path / "reader")
    assert config == read_reader_config(tiny_reader)
    assert "so there is no probability; run dpr tune-reader" in caplog.text
    assert config.probability("who?", {"margin": 3.0}) is None
    caplog.clear()
    former |= {"calibration_margin": 0.0, "calibration_temperature": None}
    path.write_text(json.dumps(former), encoding="utf-8")
    read_reader_config(tmp_path / "reader")
    assert caplog.text == ""


def test_a_relevance_head_is_kept_with_its_reader(tiny_checkpoint: Path, tmp_path: Path) -> None:
    make_reader(tiny_checkpoint, tmp_path / "reader", relevance_head=True)
    network, _, _ = load_reader_model(tmp_path / "reader")
    logits = network(input_ids=torch.tensor([[2, 7, 8, 3]]), attention_mask=torch.ones((1, 4), dtype=torch.int64))
    assert logits.relevance is not None
    assert logits.relevance.shape == (1,)
    (tmp_path / "reader" / "reader.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="cannot be read as heads of a reader"):
        load_reader_model(tmp_path / "reader")
    save_file({"later": torch.zeros(2)}, tmp_path / "reader" / "reader.safetensors")
    with pytest.raises(ModelError, match="unknown weights 'later'"):
        load_reader_model(tmp_path / "reader")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_answer_tokens": 0}, "at least 1"),
        ({"stride": 20}, "max_answer_tokens 30 exceeds the 20 tokens"),
        ({"calibration": {"latin": {"intercept": 0.0, "weights": {"margin": 1.0}}}}, "the unknown script 'latin'"),
        (
            {"calibration": {"other": {"intercept": 0.0, "weights": {"length": 1.0}}}},
            "a weight of the unknown feature 'length'",
        ),
        ({"calibration": {"other": {"intercept": 0.0, "weights": {"margin": -1.0}}}}, "weights not below 0"),
        ({"calibration": {"other": {"weights": {"margin": 1.0}}}}, "intercept is missing"),
        ({"calibration": 3}, "not an object"),
        ({"added_rows_scale": 0.25}, "unknown setting 'added_rows_scale'"),
        ({"temperature": 1.0}, "unknown setting 'temperature'"),
    ],
)
def test_an_impossible_configuration_is_refused(
    values: dict[str, object], message: str, tiny_reader: Path, tmp_path: Path
) -> None:
    for path in tiny_reader.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "reader.json").unlink()
    (tmp_path / "reader.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_reader_model(tmp_path)


def test_the_bundled_reader_is_calibrated_for_both_scripts() -> None:
    config = read_reader_config(DEFAULT_READER)
    assert config.calibration.keys() == {"hangul", "other"}
    sure = {"margin": 18.0, "share": -0.05, "lead": 8.0}
    korean, english = (config.probability(question, sure) for question in ("누가 세웠나?", "Who built it?"))
    assert korean is not None
    assert english is not None
    assert 0.5 < korean < 1
    assert 0.8 < english < 1
