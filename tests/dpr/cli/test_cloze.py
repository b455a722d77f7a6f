"""``dpr cloze``: from plain text or passages to a file that ``dpr train`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.data.passages import read_examples
from dpr.errors import ConfigError, DataError, DPRError
from dpr.types import Example

RUNNER = CliRunner()
LINES = (
    "산길을 오래 걷던 나그네는 해가 지자 주막에 들렀다.",
    "주인은 따뜻한 국밥과 막걸리 한 사발을 내왔다.",
    "The miller's cat slept on the warmest sack all winter.",
    "Nobody in the village knew who had carved the stone owl.",
)


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "tales.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return str(path)


def call(*arguments: str) -> Any:
    result = RUNNER.invoke(app, ["cloze", *arguments, "--json"])
    if isinstance(result.exception, DPRError | OSError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def made(output: Path, *arguments: str) -> list[Example]:
    summary = call("--output", str(output), *arguments)
    examples = list(read_examples(f"dpr:{output}"))
    assert summary == {"questions": len(examples), "file": str(output)}
    return examples


def test_lines_become_pairs_to_train_on(text: str, tmp_path: Path) -> None:
    examples = made(tmp_path / "new" / "pairs.json", "--text", text, "--window", "60", "--questions", "3")
    windows = {example.positives[0].text for example in examples}
    assert windows == {"\n".join(LINES[:2]), *LINES[2:]}
    assert len(examples) > len(windows)


def test_the_same_command_writes_the_same_file(text: str, tmp_path: Path) -> None:
    one, same, other = (tmp_path / f"{name}.json" for name in ("one", "same", "other"))
    for output, seed in ((one, "5"), (same, "5"), (other, "6")):
        made(output, "--text", text, "--seed", seed)
    assert one.read_bytes() == same.read_bytes() != other.read_bytes()


def test_options_win_over_the_settings_file(text: str, tmp_path: Path) -> None:
    settings = tmp_path / "cloze.toml"
    settings.write_text(
        "window = 0\nquestions = 9\nleast_kept = 1\nmost_kept = 1.0\nbare = 0.0\nshuffled = 0.0\ntitled = 0.0\n",
        encoding="utf-8",
    )
    examples = made(tmp_path / "pairs.json", "--text", text, "--config", str(settings), "--questions", "1")
    assert [example.question.text for example in examples] == [line.rstrip(".") for line in LINES]
    assert [example.positives[0].text for example in examples] == list(LINES)


def test_passages_of_several_sources_keep_their_titles(
    text: str, tmp_path: Path, demo_files: tuple[Path, Path]
) -> None:
    korean = f"korquad:{demo_files[1]}@:2"
    examples = made(tmp_path / "pairs.json", "--text", text, "--text", korean, "--window", "0", "--limit", "2")
    passages = list(dict.fromkeys(example.positives[0] for example in examples))
    assert [bool(passage.title) for passage in passages] == [False, False, True, True]
    assert passages[2] == next(read_examples(korean)).positives[0]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (("--text", "absent.txt"), DataError, "absent.txt: no such file"),
        (("--text", "other:file"), DataError, "unknown kind 'other'"),
        (("--questions", "0"), ConfigError, "questions is 0"),
        (("--window", "-5"), ConfigError, "window is -5"),
        (("--limit", "-1"), ConfigError, "--limit is -1"),
        (("--config", "absent.toml"), ConfigError, "absent.toml does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_file(
    text: str, tmp_path: Path, arguments: tuple[str, ...], error: type[DPRError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as raised:
        call("--text", text, "--output", str(tmp_path / "out" / "pairs.json"), *arguments)
    assert "\n" not in str(raised.value)
    assert list((tmp_path / "out").glob("*")) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [("share = 1", "unknown setting 'share'"), ('bare = "much"', "'bare' is 'much', a str, but must be float")],
)
def test_a_wrong_settings_file_is_one_sentence(text: str, tmp_path: Path, settings: str, sentence: str) -> None:
    (tmp_path / "cloze.toml").write_text(settings, encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        call("--text", text, "--output", str(tmp_path / "o.json"), "--config", str(tmp_path / "cloze.toml"))


def test_text_without_a_sentence_keeps_the_file_that_was_there(text: str, tmp_path: Path) -> None:
    output = tmp_path / "pairs.json"
    before = made(output, "--text", text)
    (tmp_path / "list.txt").write_text("salt\nbread\nlamp oil\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"list\.txt: no sentence of three words or more; give running text"):
        call("--text", str(tmp_path / "list.txt"), "--output", str(output))
    assert list(read_examples(f"dpr:{output}")) == before
