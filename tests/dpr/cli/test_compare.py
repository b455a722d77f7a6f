"""``dpr compare``: what it reads, prints and refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from dpr.cli.compare import compare_command
from dpr.errors import ConfigError, DataError, DPRError
from dpr.evaluation.trec import write_qrels, write_run

APP = typer.Typer()
APP.command()(compare_command)
RUNNER = CliRunner(env={"COLUMNS": "140"})
QUESTIONS = [f"q{number}" for number in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs whose gold passage is first for the first 2, 12 or 13 of 20 questions, and second for the others."""
    folder = tmp_path_factory.mktemp("compare")
    write_qrels(folder / "qrels.trec", {question: {"gold": 1} for question in QUESTIONS})
    for name, right in (("bm25", 2), ("dense", 12), ("new/dense", 13)):
        write_run(folder / f"{name}.trec", ranked(right), "tag")
    write_run(folder / "half.trec", dict(list(ranked(20).items())[:10]), "tag")
    return folder


def ranked(right: int) -> Mapping[str, list[tuple[str, float]]]:
    first, second = [("gold", 2.0), ("other", 1.0)], [("other", 2.0), ("gold", 1.0)]
    return {question: first if number < right else second for number, question in enumerate(QUESTIONS)}


def call(folder: Path, *arguments: str) -> Result:
    result = RUNNER.invoke(APP, ["--qrels", str(folder / "qrels.trec"), *arguments])
    if isinstance(result.exception, DPRError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def runs(folder: Path, *names: str) -> list[str]:
    return [part for name in names for part in ("--run", str(folder / f"{name}.trec"))]


def parsed(folder: Path, *arguments: str) -> Any:
    return json.loads(call(folder, *arguments, "--json").stdout)


def test_the_first_run_is_the_baseline(folder: Path) -> None:
    actual = parsed(folder, *runs(folder, "bm25", "dense"), "--metric", "recall@1", "--metric", "mrr@10")
    assert (actual["baseline"], actual["questions"], list(actual["systems"])) == ("bm25", 20, ["bm25", "dense"])
    assert actual["systems"]["bm25"]["metrics"] == {"recall@1": {"value": 0.1}, "mrr@10": {"value": 0.55}}
    gained = actual["systems"]["dense"]["metrics"]["recall@1"]
    assert (gained["value"], gained["difference"]) == (0.6, 0.5)
    assert 0.2 < gained["low"] < 0.5 < gained["high"] < 0.8
    assert gained["p_value"] == pytest.approx(2 / 2**10)
    assert gained["corrected_p_value"] == pytest.approx(4 / 2**10)  # two metrics
    assert gained["is_significant"] is True


def test_the_table_says_what_is_more_than_chance(folder: Path) -> None:
    lines = call(folder, *runs(folder, "dense", "bm25", "half"), "--metric", "recall@1").stdout.splitlines()
    assert any("20 questions" in line and "from dense" in line for line in lines)
    [bm25], [half] = ([line.split() for line in lines if line.split()[:1] == [name]] for name in ("bm25", "half"))
    assert (bm25[1], bm25[2], bm25[-1]) == ("10.0", "-50.0", "yes")
    assert (half[1], half[2], half[-1]) == ("50.0", "-10.0", "no")


def test_questions_that_a_run_lacks_score_0_and_are_counted(folder: Path) -> None:
    actual = parsed(folder, *runs(folder, "dense", "half"))
    assert actual["systems"]["half"]["missing_questions"] == 10
    assert actual["systems"]["half"]["metrics"]["recall@20"]["value"] == 0.5
    assert list(actual["systems"]["half"]["metrics"]) == ["recall@1", "recall@20", "mrr@10"]
    assert "half lacks 10 of the questions" in call(folder, *runs(folder, "dense", "half")).stderr


def test_files_called_alike_go_by_their_folders(folder: Path) -> None:
    names = list(parsed(folder, *runs(folder, "bm25", "dense", "new/dense"))["systems"])
    assert names == [f"{folder.name}/bm25", f"{folder.name}/dense", "new/dense"]
    copy = folder / "dense.run"
    copy.write_bytes((folder / "dense.trec").read_bytes())
    names = list(parsed(folder, *runs(folder, "dense"), "--run", str(copy))["systems"])
    assert names == [str(folder / "dense.trec"), str(copy)]


def test_what_cannot_be_compared_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two or more files, each one once"):
        call(folder, *runs(folder, "bm25"))
    with pytest.raises(ConfigError, match="two or more files, each one once"):
        call(folder, *runs(folder, "bm25", "bm25"))
    with pytest.raises(ConfigError, match="unknown metric 'map'"):
        call(folder, *runs(folder, "bm25", "dense"), "--metric", "map")
    write_run(tmp_path / "else.trec", {"z1": [("gold", 1.0)]}, "tag")
    with pytest.raises(DataError, match=r"else\.trec: the run has none of the 20 questions"):
        call(folder, *runs(folder, "bm25"), *runs(tmp_path, "else"))
    with pytest.raises(DataError, match="no such file"):
        call(folder, *runs(folder, "bm25", "absent"))


def test_qrels_and_runs_may_be_in_another_encoding(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "qrels.trec").write_text("질문 0 문서 1\n", encoding="cp949")
    for name, passages in (("one", ("문서", "다른")), ("two", ("다른", "문서"))):
        lines = [f"질문 Q0 {passage} {rank} {9 - rank} tag\n" for rank, passage in enumerate(passages, start=1)]
        (tmp_path / f"{name}.trec").write_text("".join(lines), encoding="cp949")
    arguments = [*runs(tmp_path, "one", "two"), "--metric", "mrr@10"]
    actual = parsed(tmp_path, *arguments, "--encoding", "cp949")
    assert actual["systems"]["two"]["metrics"]["mrr@10"]["value"] == 0.5
    with pytest.raises(DataError, match=r"qrels\.trec, line 1: is not UTF-8 .* give --encoding cp949"):
        parsed(tmp_path, *arguments)
    with pytest.raises(ConfigError, match="--encoding is 'hangul', which is no text encoding"):
        parsed(tmp_path, *arguments, "--encoding", "hangul")


def test_all_bad_lines_are_refused_together_or_left_out(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "dense.trec").read_text().splitlines()
    (tmp_path / "bad.trec").write_text("\n".join([*lines, "q1 Q0", "q1 Q0 x first 0.5 tag", lines[0]]))
    arguments = ["--run", str(tmp_path / "bad.trec"), *runs(folder, "dense"), "--metric", "mrr@10"]
    with pytest.raises(
        DataError, match=r"(?s)3 rows are bad.*line 41: there are 2 columns.*rank 'first'.*line 43.*twice"
    ):
        parsed(folder, *arguments)
    systems = parsed(folder, *arguments, "--skip-bad-rows")["systems"]
    assert systems["bad"]["metrics"]["mrr@10"]["value"] == systems["dense"]["metrics"]["mrr@10"]["value"]
