from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.errors import ConfigError, DataError, DPRError
from dpr.models.encoders import load_encoder

RUNNER = CliRunner()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A file of plain texts and one of parallel sentences."""
    text, pairs = tmp_path / "texts.txt", tmp_path / "pairs.tsv"
    text.write_text("".join(f"text of number {number}\n" for number in range(9)), encoding="utf-8")
    pairs.write_text("".join(f"number {number}\t번호 {number}\n" for number in range(9)), encoding="utf-8")
    return {"text": str(text), "pairs": str(pairs)}


def test_distill_teaches_by_all_kinds_of_texts(
    tiny_checkpoint: Path, tmp_path: Path, files: dict[str, str], demo_files: tuple[Path, Path]
) -> None:
    (tmp_path / "settings.toml").write_text("max_steps = 9\npassage_tokens = 32\n", encoding="utf-8")
    english, korean = (f"{kind}:{path}" for kind, path in zip(("squad", "korquad"), demo_files, strict=True))
    result = RUNNER.invoke(
        app,
        [
            "distill", "--objective", "parallel", "--teacher", str(tiny_checkpoint), "--base", str(tiny_checkpoint),
            "--text", files["text"], "--text", korean, "--parallel", files["pairs"], "--data", english,
            "--validate", korean, "--config", str(tmp_path / "settings.toml"), "--max-steps", "2",
            "--batch-size", "8", "--output", str(tmp_path / "student"), "--json",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["steps"] == 2
    assert set(record["sources"]) == {files["text"], korean, files["pairs"], english}
    assert 0 < record["validation"]["mrr"] <= 1
    assert load_encoder(tmp_path / "student").config.passage_tokens == 32


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (("--text", "{text}"), ConfigError, "there is no teacher"),
        (("--teacher", "{teacher}"), ConfigError, r"'vectors' learns from plain texts \(--text\)"),
        (("--teacher", "{teacher}", "--parallel", "{text}"), DataError, "no ending of a file of parallel sentences"),
        (("--teacher", "{teacher}", "--parallel", "{pairs}"), ConfigError, "or choose 'parallel'"),
        (
            ("--cross-encoder", "{teacher}", "--text", "{text}"),
            ConfigError,
            "which a cross_encoder does not have",
        ),
        (("--objective", "logits", "--teacher", "{teacher}"), ConfigError, "unknown objective 'logits'"),
        (("--teacher", "{teacher}", "--text", "absent.txt"), DataError, r"absent\.txt: no such file"),
    ],
)
def test_bad_input_is_one_sentence(
    options: tuple[str, ...],
    error: type[DPRError],
    message: str,
    tiny_checkpoint: Path,
    tmp_path: Path,
    files: dict[str, str],
) -> None:
    names = {**files, "teacher": str(tiny_checkpoint)}
    arguments = [option.format(**names) for option in options]
    with pytest.raises(error, match=message) as raised:
        RUNNER.invoke(app, ["distill", *arguments, "--output", str(tmp_path / "out")], catch_exceptions=False)
    assert "\n" not in str(raised.value)
