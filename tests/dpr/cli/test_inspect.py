from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dpr.cli import app
from dpr.errors import ConfigError, DPRError, MissingDependencyError

RUNNER = CliRunner()


def call(*arguments: str) -> Result:
    result = RUNNER.invoke(app, ["inspect", *arguments], env={"COLUMNS": "120"})
    if isinstance(result.exception, DPRError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def parsed(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def other(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The same weights, pooled otherwise."""
    folder = tmp_path / "other"
    shutil.copytree(tiny_checkpoint, folder / "question")
    (folder / "encoder.json").write_text('{"pooling": "cls", "normalize": false}', encoding="utf-8")
    return folder


def test_the_tokens_of_a_text(tiny_checkpoint: Path) -> None:
    values = parsed(call("--encoder", str(tiny_checkpoint), "--text", "a 漢", "--json"))
    assert [(token["text"], token["is_unknown"]) for token in values["texts"][0]["after"]] == [
        ("[CLS]", False), ("a", False), ("[UNK]", True), ("[SEP]", False),
    ]  # fmt: skip
    assert "similarities" not in values
    shown = call("--encoder", str(tiny_checkpoint), "--text", "a 漢").stdout
    assert "4 tokens, 1 unknown" in shown


def test_several_texts_are_compared_with_each_other(tiny_checkpoint: Path) -> None:
    values = parsed(call("--encoder", str(tiny_checkpoint), "--text", "abc", "--text", "xyz", "--json"))
    assert [question["question"] for question in values["questions"]] == ["abc", "xyz"]
    assert values["similarities"]["after"][0][0] == pytest.approx(1, abs=1e-2)


def test_before_and_after_on_a_source(
    tiny_checkpoint: Path, other: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    arguments = (
        "--encoder", str(other), "--before", str(tiny_checkpoint), "--questions", f"squad:{demo_files[1]}",
        "--count", "3", "--pool", "12", "--text", "가나", "--output", str(output),
    )  # fmt: skip
    values = parsed(call(*arguments, "--json"))
    assert json.loads((output / "inspection.json").read_text(encoding="utf-8")) == values
    assert (output / "similarity.png").read_bytes().startswith(b"\x89PNG")
    assert values["encoders"] == {"before": str(tiny_checkpoint), "after": str(other)}
    assert (values["pool"], values["measure"], len(values["questions"])) == (12, "cosine", 3)
    assert set(values["texts"][0]) == {"text", "before", "after"}
    for question in values["questions"]:
        assert question["gain"] == question["ranks"]["before"] - question["ranks"]["after"]
        assert 1 <= question["ranks"]["after"] <= 12
    shown = call(*arguments).stdout
    assert "rank of the gold passage among 12 passages" in shown
    assert values["questions"][0]["question"][:12] in shown
    assert "cosine with each gold passage, before" in shown


def test_bad_input_is_one_sentence(
    tiny_checkpoint: Path, demo_files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"squad:{demo_files[0]}"
    with pytest.raises(ConfigError, match="there is nothing to inspect; give --questions SOURCE, or --text"):
        call("--encoder", str(tiny_checkpoint))
    with pytest.raises(ConfigError, match="a --text is empty"):
        call("--encoder", str(tiny_checkpoint), "--text", " ")
    with pytest.raises(ConfigError, match="8 questions and a pool of 3 passages"):
        call("--encoder", str(tiny_checkpoint), "--questions", source, "--pool", "3")
    monkeypatch.setattr("dpr.benchmark.charts.find_spec", lambda _package: None)
    with pytest.raises(MissingDependencyError, match=r"\[report\]"):
        call("--encoder", "absent", "--questions", source, "--output", "out")
