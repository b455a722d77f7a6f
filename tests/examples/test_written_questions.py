"""The questions that were written for training, and the joining of them with their passages."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dpr.data.identity import content_id
from dpr.data.squad import read_squad

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = ROOT / "examples" / "questions"
SOURCES = {
    "boolq": "boolq:{}/kobest-boolq/train.tsv",
    "korquad": "korquad:{}/korquad/KorQuAD_v1.0_dev.json@:100",
    "qed": "qed:{}/qed/nq-train-qed.jsonl",
    "squad": "squad:{}/squad/train-v1.1-44-articles.json@:40",
}
SPRING, TOWER = "봄은 3월에 온다.", "The tower is 330 metres tall."


def write(path: Path, *rows: dict[str, Any]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def join(questions: Path, passages: str, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "examples" / "written-questions.py")
    given = ["--questions", str(questions), "--passages", passages, "--output", str(output)]
    return subprocess.run([sys.executable, script, *given, *options], capture_output=True, text=True, check=False)


@pytest.fixture
def data_set(tmp_path: Path) -> str:
    rows = [("", SPRING, "언제 오나?", "True"), ("", TOWER, "Is it tall?", "True")]
    lines = [
        "ID\tText\tQuestion\tAnswer",
        *(f"{n}\t{text}\t{ask}\t{yes}" for n, (_, text, ask, yes) in enumerate(rows)),
    ]
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"boolq:{tmp_path / 'train.tsv'}"


@pytest.mark.parametrize("joined", [1, 2])
def test_questions_are_joined_with_their_passages(data_set: str, tmp_path: Path, joined: int) -> None:
    questions = write(
        tmp_path / "questions.jsonl.gz",
        {"passage": content_id(SPRING), "question": "봄이 오는 달은?", "start": 3, "end": 5},
        {"passage": content_id(TOWER), "question": "How tall is the tower?", "start": 13, "end": 23},
        {"passage": content_id(TOWER), "question": "How wide is the tower?"},
    )
    output = tmp_path / "written.json"
    run = join(questions, data_set, output, "--join", str(joined))
    assert run.returncode == 0, run.stderr
    examples = list(read_squad(output))
    assert [(example.question.answers, example.is_impossible) for example in examples] == [
        (("3월",), False),
        (("330 metres",), False),
        ((), True),
    ]
    assert len({example.positives[0].text for example in examples}) == 3 - joined


def test_another_data_set_is_one_sentence(data_set: str, tmp_path: Path) -> None:
    questions = write(tmp_path / "questions.jsonl.gz", {"passage": "0" * 16, "question": "Who?"})
    run = join(questions, data_set, tmp_path / "written.json")
    assert run.returncode == 2
    assert "lacks 1 of the passages that" in run.stderr


@pytest.mark.parametrize(
    ("questions", "passages", "join_option", "sentence"),
    [
        ("questions.jsonl.gz", "boolq:none.tsv", "1", "none.tsv"),
        ("none.jsonl.gz", "boolq:train.tsv", "1", "none.jsonl.gz"),
        ("questions.jsonl.gz", "boolq:train.tsv", "0", "--join is 0; give at least 1"),
    ],
)
def test_bad_options_are_one_sentence(
    tmp_path: Path, questions: str, passages: str, join_option: str, sentence: str
) -> None:
    write(tmp_path / "questions.jsonl.gz", {"passage": "0" * 16, "question": "Who?"})
    run = join(tmp_path / questions, passages, tmp_path / "written.json", "--join", join_option)
    assert run.returncode == 2
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("name", SOURCES)
def test_the_files_of_questions_are_in_form(name: str) -> None:
    with gzip.open(QUESTIONS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert len({(row["passage"], row["question"]) for row in rows}) == len(rows)
    for row in rows:
        assert row.keys() in ({"passage", "question"}, {"passage", "question", "start", "end"}), row
        assert row["question"] == row["question"].strip(), row
        assert 0 <= row.get("start", 0) < row.get("end", 1), row


@pytest.mark.parametrize("name", SOURCES)
def test_every_question_finds_its_passage(name: str, shared_data: Path, tmp_path: Path) -> None:
    output = tmp_path / "written.json"
    run = join(QUESTIONS / f"{name}.jsonl.gz", SOURCES[name].format(shared_data), output)
    assert run.returncode == 0, run.stderr
    answers = [answer for example in read_squad(output) for answer in example.question.answers]
    assert answers
    assert [answer for answer in answers if answer != answer.strip()] == []
