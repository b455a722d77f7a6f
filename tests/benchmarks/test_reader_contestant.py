from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForQuestionAnswering

from benchmarks.reader_contestant import KINDS, measure_pairs, measure_questions
from dpr.reader.extractive.model import ReaderConfig, ReaderNetwork, save_reader_model

ROOT = Path(__file__).resolve().parents[2]
ASKED = [("Who came?", ["Ann came."]), ("Who left?", ["Bob left with Ann.", "Ann stayed."])]


@pytest.fixture
def reader(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = BertForQuestionAnswering(BertConfig.from_pretrained(tiny_checkpoint))
    config = ReaderConfig(max_tokens=64, stride=16, question_tokens=16, max_answer_tokens=8)
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    folder = tmp_path / "reader"
    folder.mkdir()
    save_reader_model(folder, ReaderNetwork(model), tokenizer, config)
    return folder


def test_ours_answers_from_the_passages(reader: Path) -> None:
    read = KINDS["ours"](str(reader), precision="fp32", backend="torch")
    for answer, (_, passages) in zip(read(ASKED), ASKED, strict=True):
        assert any(answer in passage for passage in passages)


def test_pairs_are_read_at_once_and_questions_one_by_one() -> None:
    seen: list[Any] = []

    def read(asked: Any) -> list[str]:
        seen.append(list(asked))
        return [question for question, _ in asked]

    pairs = measure_pairs(read, ASKED)
    assert pairs["answers"] == ["Who came?", "Who left?"]
    assert pairs["wall_s"] > 0
    assert len(measure_questions(read, ASKED)["each_s"]) == 2
    assert seen == [ASKED, ASKED[:1], ASKED[1:]]


def test_a_process_answers_each_line(reader: Path, tmp_path: Path) -> None:
    work = tmp_path / "work.json"
    work.write_text(json.dumps({"warm_up": ASKED[:1], "pairs": ASKED, "questions": ASKED}))
    systems = {"ours": {"kind": "ours", "precision": "fp32", "backend": "torch"}}
    contest = json.dumps({"model": str(reader), "work": str(work), "systems": systems})
    orders = "".join(json.dumps({"system": "ours", "part": part}) + "\n" for part in ("pairs", "questions"))
    command = [sys.executable, "-P", "benchmarks/reader_contestant.py", contest]
    run = subprocess.run(command, input=orders, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded, pairs, questions = map(json.loads, run.stdout.splitlines())
    assert loaded["versions"]["torch"] == torch.__version__
    assert len(pairs["answers"]) == len(questions["each_s"]) == 2
