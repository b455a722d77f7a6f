"""``dpr train-reader``, ``tune-reader``, ``evaluate-reader`` and ``evaluate``, one after the other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from dpr.cli import app
from dpr.cli.questions import labelled_examples, show_metrics
from dpr.errors import ConfigError, DataError, DPRError
from dpr.reader.extractive.reader import load_reader
from dpr.text.registry import analyzer
from index_builder.build import BuildOptions, build
from tests.tiny_models import make_reader

RUNNER = CliRunner(env={"COLUMNS": "140"})


@pytest.fixture(scope="module")
def index(demo_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("reader-commands") / "index"
    build(BuildOptions(sources=(f"squad:{demo_files[0]}",), output=output), None, analyzer("ngram"))
    return output


@pytest.fixture
def english(demo_files: tuple[Path, Path]) -> str:
    return f"squad:{demo_files[0]}@:2"


def call(*arguments: object) -> Result:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, DPRError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def parsed(*arguments: object) -> Any:
    return json.loads(call(*arguments, "--json").stdout)


def test_train_reader_writes_a_reader_that_validation_chose(
    tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = tmp_path / "reader.toml"
    settings.write_text('batch_tokens = 512\nnegative_share = 0.5\nprecision = "fp32"\n', encoding="utf-8")
    record = parsed(
        "train-reader", "--config", settings, "--base", tiny_checkpoint, "--output", tmp_path / "reader",
        "--data", f"squad:{demo_files[0]}@:2", "--data", f"korquad:{demo_files[1]}@:1",
        "--data-weight", "1.5", "--data-weight", "2", "--validate", f"korquad:{demo_files[1]}@1:2",
        "--max-steps", "3", "--relevance-head",
    )  # fmt: skip
    assert record["steps"] == 3
    assert record["negatives"] > 0
    assert record["validation"].keys() == {"f1", "exact_match"}
    assert [source["weight"] for source in record["sources"].values()] == [1.5, 2.0]
    assert (tmp_path / "reader" / "reader.safetensors").is_file()
    answered = parsed("evaluate-reader", "--reader", tmp_path / "reader", "--data", f"korquad:{demo_files[1]}@1:2")
    assert answered["rule"] == "korquad-1.0"


def test_evaluate_reader_prints_and_writes_the_same(tiny_reader: Path, english: str, tmp_path: Path) -> None:
    arguments = ("evaluate-reader", "--reader", tiny_reader, "--data", english, "--precision", "fp32", "--negatives")
    report = parsed(*arguments, "--output", tmp_path)
    metrics = report["systems"]["reader"]["metrics"]
    assert report["rule"] == "squad-2.0"
    assert metrics.keys() >= {"exact_match", "f1", "no_answer_precision", "no_answer_recall"}
    assert "expected_calibration_error" not in metrics  # it was never calibrated
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written == report
    assert len(json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))) <= report["questions"]["count"]
    assert (tmp_path / "risk-coverage.png").is_file()
    assert "no answer recall" in call(*arguments).stdout


def test_cross_fitting_needs_right_answers_for_probabilities(
    tiny_reader: Path, english: str, caplog: pytest.LogCaptureFixture
) -> None:
    report = parsed("evaluate-reader", "--reader", tiny_reader, "--data", english, "--negatives", "--folds", "2")
    assert "expected_calibration_error" not in report["systems"]["reader"]["metrics"]
    assert "the reader gets no probability: no answer is right" in caplog.text
    assert report["folds"] == 2


def test_tune_reader_stores_what_it_chose(tiny_reader: Path, index: Path, english: str, tmp_path: Path) -> None:
    shutil.copytree(tiny_reader, tmp_path / "reader")
    tuned = parsed(
        "tune-reader", "--reader", tmp_path / "reader", "--data", english, "--negatives",
        "--index", index, "--questions", english, "--retriever", "bm25", "--k", "3",
    )  # fmt: skip
    stored = json.loads((tmp_path / "reader" / "reader.json").read_text(encoding="utf-8"))
    assert tuned["config"] == stored
    assert stored["calibration"] == {}  # it is never right
    assert stored["null_threshold"] < 1e9
    assert tuned["weights"]["gain"]["value"] == pytest.approx(
        tuned["weights"]["f1"] - tuned["weights"]["reader_only_f1"]
    )
    record = json.loads((tmp_path / "reader" / "tuning.json").read_text(encoding="utf-8"))
    assert record["command"].startswith("dpr")
    again = ("tune-reader", "--reader", tmp_path / "reader", "--index", index, "--questions", english, "--no-weights")
    alone = parsed(*again, "--retriever", "bm25", "--k", "1", "--absent-share", "0")
    assert tuned["probability"]["questions"] == 1.25 * alone["probability"]["questions"] > 0
    kept = json.loads((tmp_path / "reader" / "tuning.json").read_text(encoding="utf-8"))
    assert kept["weights"] == {"command": record["command"], **record["weights"]}
    assert kept["no_answer"]["command"] == record["command"]


def test_evaluate_judges_every_depth(tiny_reader: Path, index: Path, english: str, tmp_path: Path) -> None:
    arguments = (
        "evaluate", "--index", index, "--questions", english, "--reader", tiny_reader, "--retriever", "bm25",
        "--k", "1,3", "--output", tmp_path,
    )  # fmt: skip
    report = parsed(*arguments)
    assert list(report["systems"]) == ["bm25 k=1", "bm25 k=3"]
    recalls = [system["metrics"]["answer_recall"]["value"] for system in report["systems"].values()]
    assert 0 < recalls[0] <= recalls[1] <= 1
    assert report["systems"]["bm25 k=1"]["f1_over_reader_score_alone"]["value"] == 0  # one passage has no rival
    assert "ms per question" in call(*arguments).stdout


def test_questions_without_answers_are_refused_by_name(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("question\tpassage\nWhere is it?\tIt is here.\n", encoding="utf-8")
    sentence = "pairs.tsv: no question has an answer, nor is any marked as unanswerable; give questions with answers"
    with pytest.raises(DataError, match=sentence):
        labelled_examples(f"pairs:{pairs}")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["tune-reader"], ConfigError, "nothing to tune on"),
        (["tune-reader", "--questions", "ENGLISH"], ConfigError, "belong together"),
        (["tune-reader", "--data", "ENGLISH", "--precision", "90"], ConfigError, "--precision is 90"),
        (
            ["tune-reader", "--data", "ENGLISH", "--fusion-file", "f.json"],
            ConfigError,
            "is for searching an index; give --index",
        ),
        (["tune-reader", "--index", "ix", "--questions", "ENGLISH", "--negatives"], ConfigError, "to --data, which is"),
        (["tune-reader", "--data", "ENGLISH", "--negatives", "--precision", "1"], DataError, "no threshold reaches"),
        (["evaluate-reader", "--data", "ENGLISH", "--rule", "rouge"], ConfigError, "unknown answer rule"),
        (["evaluate-reader", "--data", "ENGLISH", "--folds", "99"], DataError, "are too few for 99 folds"),
        (["evaluate-reader", "--data", "ENGLISH", "--reader", "nowhere", "--folds", "1"], ConfigError, "folds is 1"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    arguments: list[str], error: type[DPRError], message: str, tiny_reader: Path, english: str
) -> None:
    before = (tiny_reader / "reader.json").read_bytes()
    given = [english if argument == "ENGLISH" else argument for argument in arguments]
    with pytest.raises(error, match=message):
        call(*given, "--reader", tiny_reader)
    assert (tiny_reader / "reader.json").read_bytes() == before


def test_a_reader_that_is_no_folder_cannot_be_tuned(english: str) -> None:
    with pytest.raises(ConfigError, match="reader-small-ko-en is not a folder"):
        call("tune-reader", "--reader", "reader-small-ko-en", "--data", english, "--negatives")


def test_export_writes_a_reader_or_a_pair_but_not_both(tiny_reader: Path, tmp_path: Path) -> None:
    written = parsed("export", "--reader", tiny_reader, "--output", tmp_path / "whole")
    assert written["size_bytes"] > 1000
    assert (tmp_path / "whole" / "reader.json").is_file()
    with pytest.raises(ConfigError, match="one of --encoder, --reader and --cross-encoder"):
        call("export", "--reader", tiny_reader, "--encoder", tiny_reader, "--output", tmp_path / "x")
    with pytest.raises(ConfigError, match="prompts or a dimension to an encoder"):
        call("export", "--reader", tiny_reader, "--question-prompt", "query: ", "--output", tmp_path / "x")


def test_export_records_prompts_and_dimension(tiny_checkpoint: Path, tmp_path: Path) -> None:
    prompts = "--question-prompt", "query: ", "--passage-prompt", "passage: "
    parsed("export", "--encoder", tiny_checkpoint, *prompts, "--dimension", "8", "--output", tmp_path / "pair")
    recorded = json.loads((tmp_path / "pair" / "encoder.json").read_text(encoding="utf-8"))
    assert (recorded["question_prompt"], recorded["passage_prompt"]) == ("query: ", "passage: ")
    assert recorded["dimension"] == 8


@pytest.mark.parametrize("is_bundled", [False, True])
def test_average_takes_readers_too(
    is_bundled: bool, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = [make_reader(tiny_checkpoint, tmp_path / name, relevance_head=True) for name in ("first", "second")]
    parts = load_file(readers[1] / "reader.safetensors")
    save_file({name: part + 1 for name, part in parts.items()}, readers[1] / "reader.safetensors")
    monkeypatch.setattr("dpr.models.checkpoint.BUNDLED_MODELS", tmp_path)
    first, second = (reader.name if is_bundled else reader for reader in readers)
    parsed(
        "average", "--encoder", first, "--encoder", second, "--share", 3, "--share", 1,
        "--output", tmp_path / "mean",
    )  # fmt: skip
    mean = load_file(tmp_path / "mean" / "reader.safetensors")
    assert all(torch.allclose(mean[name], part + 0.25) for name, part in parts.items())
    assert load_reader(tmp_path / "mean", "fp32").config == load_reader(readers[0], "fp32").config


def test_a_number_that_one_depth_lacks_is_left_blank(capsys: pytest.CaptureFixture[str]) -> None:
    show_metrics("title", {"k=1": {"f1": 0.5}, "k=5": {"f1": 0.75, "wrong_when_sure": 0.125}}, {})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["f1", "50.00", "75.00"] in lines
    assert ["wrong", "when", "sure", "12.50"] in lines
