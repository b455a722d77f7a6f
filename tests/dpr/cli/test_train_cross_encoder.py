"""``dpr train-cross-encoder``, and ``dpr export`` of what it makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from dpr.cli import app
from dpr.errors import ConfigError, DPRError
from dpr.models.cross_encoder import load_cross_encoder
from dpr.types import Passage

RUNNER = CliRunner(env={"COLUMNS": "140"})
QUESTIONS = ["Who wrote it?", "Who wrote it?"]
PASSAGES = [Passage("1", "In 1887, in Paris.", "The tower"), Passage("2", "Nobody wrote it.")]


def parsed(*arguments: object) -> Any:
    result = RUNNER.invoke(app, [*(str(argument) for argument in arguments), "--json"])
    if isinstance(result.exception, DPRError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_cross_encoder_is_trained_and_exported(
    tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    english = f"squad:{demo_files[0]}"
    trained = tmp_path / "scorer"
    record = parsed(
        "train-cross-encoder", "--data", f"{english}@:2", "--data-weight", "0.5", "--validate", f"{english}@2:3",
        "--base", tiny_checkpoint, "--lora-rank", "2", "--max-steps", "2", "--batch-size", "2",
        "--hard-negatives", "2", "--precision", "fp32", "--output", trained,
    )  # fmt: skip
    assert record["steps"] == 2
    assert record["negatives"] == 2
    assert 0 < record["validation"]["mrr"] <= 1
    expected = load_cross_encoder(trained, "fp32").score(QUESTIONS, PASSAGES)
    for form, dtype, tolerance in (("whole", "fp32", 1e-5), ("as-is", "fp16", 1e-2)):
        copy = tmp_path / form
        written = parsed("export", "--cross-encoder", trained, "--form", form, "--dtype", dtype, "--output", copy)
        assert written["size_bytes"] > 1000
        assert (copy / "training.json").is_file()
        scores = load_cross_encoder(copy, "fp32").score(QUESTIONS, PASSAGES)
        np.testing.assert_allclose(scores, expected, atol=tolerance)
    assert (tmp_path / "whole" / "tokenizer.json").is_file()
    weights = load_file(tmp_path / "as-is" / "adapter_model.safetensors")
    assert {str(weight.dtype) for weight in weights.values()} == {"torch.float16"}
    with pytest.raises(ConfigError, match=r"dtype 'int8' is unknown; choose"):
        parsed("export", "--cross-encoder", trained, "--dtype", "int8", "--output", tmp_path / "x")
    with pytest.raises(ConfigError, match=r"the output .* is the folder of .* itself"):
        parsed("export", "--cross-encoder", trained, "--output", trained)
