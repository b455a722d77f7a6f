"""``dpr mine``: from an index and questions to a training file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.data.passages import read_examples
from dpr.errors import ConfigError, DataError, DPRError, IndexFormatError, RequestError
from dpr.text.registry import analyzer
from index_builder.build import BuildOptions, build

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def index(demo_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The English demo corpus, without vectors."""
    output = tmp_path_factory.mktemp("mine") / "index"
    build(BuildOptions(sources=(f"squad:{demo_files[0]}",), output=output), None, analyzer("english"))
    return output


@pytest.fixture(scope="module")
def questions(demo_files: tuple[Path, Path]) -> str:
    return f"squad:{demo_files[0]}"


def call(*arguments: str) -> Any:
    result = RUNNER.invoke(app, ["mine", *arguments])
    if isinstance(result.exception, DPRError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_writes_what_training_reads_and_how_it_was_made(
    index: Path, questions: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "new" / "mined.json"
    arguments = "--index", str(index), "--questions", questions, "--output", str(output), "--count", "3"
    summary = json.loads(call(*arguments, "--ranks", "1:10", "--json").stdout)
    mined = list(read_examples(f"dpr:{output}"))
    everything = list(read_examples(questions))
    given = [one for one in everything if not one.is_impossible]
    assert f"{questions}: unanswerable questions are left out ({len(everything) - len(given)})" in caplog.text
    assert [(one.question, one.positives) for one in mined] == [(one.question, one.positives) for one in given]
    assert summary["negatives"] == sum(len(one.negatives) for one in mined) > 2 * len(given)
    assert summary["questions"] == len(given)
    assert summary["left_out_by_gold"] > 0.9 * len(given)
    record = json.loads((tmp_path / "new" / "mined.mining.json").read_text(encoding="utf-8"))
    assert (record["options"]["count"], record["options"]["last_rank"]) == (3, 10)
    assert (record["questions"], record["generation"], record["encoder"]) == ([questions], "000001", None)
    assert record["summary"].items() <= summary.items()


def test_prints_a_table(index: Path, questions: str, tmp_path: Path) -> None:
    output = tmp_path / "mined.json"
    arguments = "--index", str(index), "--questions", f"{questions}@:1", "--output", str(output)
    result = call(*arguments, "--questions", f"{questions}@1:", "--seed", "4", "--max-share", "0.9", "--keep-answers")
    assert "questions without negatives" in result.stdout
    assert len(list(read_examples(f"dpr:{output}"))) == sum(not one.is_impossible for one in read_examples(questions))


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (("--ranks", "5"), ConfigError, "'5' is not FIRST:LAST"),
        (("--ranks", "a:b"), ConfigError, "'a:b' is not FIRST:LAST"),
        (("--ranks", "5:4"), ConfigError, "the ranks are 5:4"),
        (("--count", "0"), ConfigError, "count is 0"),
        (("--retriever", "magic"), RequestError, "unknown retriever 'magic'"),
        (("--retriever", "dense"), RequestError, "no vectors for the retriever 'dense'"),
        (("--questions", "squad:absent.json"), DataError, "absent.json: no such file"),
        (("--questions", "plain.json"), DataError, "is not a source of questions"),
        (("--index", "absent"), IndexFormatError, "absent"),
    ],
)
def test_bad_input_is_one_sentence(
    index: Path, questions: str, tmp_path: Path, arguments: tuple[str, ...], error: type[DPRError], sentence: str
) -> None:
    output = tmp_path / "mined.json"
    given = "--index", str(index), "--questions", questions, "--output", str(output)
    with pytest.raises(error, match=sentence):
        call(*given, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_refused_first(index: Path, questions: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    given = "--index", str(index), "--questions", questions, "--output"
    with pytest.raises(ConfigError, match="is a folder; choose a file"):
        call(*given, str(tmp_path))
    with pytest.raises(ConfigError, match="file is a file; choose another folder"):
        call(*given, str(tmp_path / "file" / "below" / "mined.json"))


def test_questions_that_cannot_be_mined_for_are_one_sentence(index: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.json"
    bare.write_text('[{"question_id": "b", "question": "why", "answers": [], "positive_ctxs": []}]', encoding="utf-8")
    given = "--index", str(index), "--output", str(tmp_path / "mined.json"), "--questions", f"dpr:{bare}"
    with pytest.raises(DataError, match="question 'b' has no positive passage"):
        call(*given)
    bare.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="has no question"):
        call(*given)
