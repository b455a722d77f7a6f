from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.errors import ConfigError, DataError, DPRError

RUNNER = CliRunner()


@pytest.fixture
def korean(tmp_path: Path) -> Path:
    path = tmp_path / "korean.txt"
    path.write_text("대한민국의 수도는 서울이다\n" * 20, encoding="utf-8")
    return path


def test_adapt_learns_pieces_and_trains(
    tiny_checkpoint: Path, tmp_path: Path, korean: Path, demo_files: tuple[Path, Path]
) -> None:
    (tmp_path / "settings.toml").write_text("characters = 40\nmax_steps = 9\n", encoding="utf-8")
    result = RUNNER.invoke(
        app,
        [
            "adapt", "--text", str(korean), "--text", f"korquad:{demo_files[1]}", "--base", str(tiny_checkpoint),
            "--vocabulary-size", "300", "--max-steps", "2", "--batch-tokens", "512", "--max-tokens", "32",
            "--single-pieces", "--config", str(tmp_path / "settings.toml"), "--output", str(tmp_path / "base"),
            "--json",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["steps"] == 2
    assert summary["training"]["whole_words"] is False
    assert set(summary["sources"]) == {str(korean), f"korquad:{demo_files[1]}"}
    assert 0 < summary["vocabulary"]["added"] <= 300
    assert (tmp_path / "base" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        (b"", ("--vocabulary-size", "5"), DataError, "there is no text to learn from"),
        (b"\n \n", (), DataError, "there is no text to learn from"),
        ("한국".encode("euc-kr"), (), DataError, r"text\.txt, line 1: is not UTF-8"),
        (b"text", ("--vocabulary-size", "0"), ConfigError, "vocabulary_size is 0"),
        (b"text", ("--vocabulary-size", "-2"), ConfigError, "vocabulary_size is -2"),
        (b"text", ("--max-steps", "0"), ConfigError, "so nothing would change"),
    ],
)
def test_bad_input_is_one_sentence(
    tiny_checkpoint: Path, tmp_path: Path, content: bytes, options: tuple[str, ...], error: type[DPRError], message: str
) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    arguments = "--text", str(tmp_path / "text.txt"), "--base", str(tiny_checkpoint), "--output", str(tmp_path / "out")
    with pytest.raises(error, match=message) as raised:
        RUNNER.invoke(app, ["adapt", *arguments, *options], catch_exceptions=False)
    assert "\n" not in str(raised.value)
