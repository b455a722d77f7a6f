"""The figures that the example corpora are measured by, and, as a slow test, a measurement."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dpr.data.passages import read_corpus, read_examples
from dpr.types import Answer, Example, Passage, Question, Reading
from examples import measure
from examples.demo import run as demo

ROOT = Path(__file__).resolve().parents[2]
PASSAGE = Passage("p", "한라산의 높이는 1,947미터이다.", "한라산")
SURE, UNSURE = 0.95, 0.2


def example(identity: str, question: str, *answers: str) -> Example:
    starts = tuple(0 for _ in answers)
    return Example(Question(identity, question, answers), (PASSAGE,), answer_starts=starts, is_impossible=not answers)


def reading(text: str, probability: float, *, is_answered: bool = True) -> Reading:
    answer = Answer(text, "p", 0, len(text), 1.0, 1.0, 0.0)
    return Reading((answer,), is_answered, no_answer_score=-1.0 if is_answered else 1.0, probability=probability)


def test_exact_counts_what_the_reader_stands_by() -> None:
    examples = [example("1", "높이는?", "1,947미터"), example("2", "산은?", "한라산"), example("3", "나이는?")]
    readings = [reading("1,947미터", SURE), reading("한라산", UNSURE, is_answered=False), reading("한라산", SURE)]
    [(language, figures)] = measure.answer_figures(readings, examples).items()
    assert language == "korean"
    assert (figures["questions"], figures["answerable"]) == (3, 2)
    assert (figures["exact"], figures["exact, best span"]) == (0.5, 1.0)
    assert figures["refused"] == 0.0
    assert figures["sure"] == pytest.approx(2 / 3)
    assert figures["wrong when sure"] == 0.5


def test_languages_are_judged_apart() -> None:
    examples = [example("1", "높이는?", "1,947미터"), example("2", "Which mountain?", "Hallasan")]
    report = measure.answer_figures([reading("1,947미터", SURE), reading("Baekdu", SURE)], examples)
    assert {language: figures["exact"] for language, figures in report.items()} == {"korean": 1.0, "english": 0.0}
    assert report["english"]["wrong when sure"] == 1.0


def test_any_passage_of_the_gold_article_will_do() -> None:
    crossing = list(read_examples(measure.CROSS_LANGUAGE))
    siblings: dict[str, list[str]] = {}
    for passage in read_corpus(measure.DEMO):
        siblings.setdefault(passage.document_id, []).append(passage.id)
    last_passages = {item.question.id: siblings[item.positives[0].document_id][-1:] for item in crossing}
    report = measure.article_figures({"last": last_passages, "none": {}}, crossing)
    for systems in report.values():
        assert systems["last"] == {"questions": 40, "top 1": 1.0, "top 5": 1.0}
        assert systems["none"] == {"questions": 40, "top 1": 0.0, "top 5": 0.0}


def test_a_page_is_found_first_or_among_five() -> None:
    examples = [example("1", "높이는?", "1,947미터"), example("2", "산은?", "한라산")]
    runs = {"bm25": {"1": ["p", "other"], "2": ["other", "p"]}}
    assert measure.page_figures(runs, examples) == {"bm25": {"questions": 2, "top 1": 0.5, "top 5": 1.0}}


def test_a_limited_sample_is_spread_over_all() -> None:
    examples = [example(str(number), f"{number}?") for number in range(10)]
    assert [item.question.id for item in measure.spread(examples, 3)] == ["0", "3", "6"]
    assert measure.spread(examples, None) == examples


def test_a_result_of_the_service_becomes_a_reading() -> None:
    answer: dict[str, Any] = {
        "text": "a",
        "passage_id": "p",
        "start": 0,
        "end": 1,
        "score": 2.0,
        "span_score": 3.0,
        "null_score": 1.0,
    }
    result = {"answers": [{**answer, "document_id": "d"}], "is_answered": True, "no_answer_score": None}
    assert measure.reading_of({**result, "probability": 0.5}) == Reading((Answer(**answer),), True, probability=0.5)


def test_a_failing_command_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "installed", lambda _: "false")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 2))
    with pytest.raises(demo.DemoError, match="dpr-index ended with exit code 2"):
        measure.command("dpr-index", "build")


@pytest.mark.slow
def test_a_measurement_with_few_questions(tiny_checkpoint: Path, tiny_reader: Path) -> None:
    models = ["--encoder", str(tiny_checkpoint), "--reader", str(tiny_reader)]
    command = [sys.executable, "-m", "examples.measure", *models, "--limit", "8", "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert set(report) == {"business pages", *measure.DIRECTIONS, "demo over HTTP"}
    assert set(report["business pages"]) == set(measure.RETRIEVERS)
    assert set(report["demo over HTTP"]) == set(measure.LANGUAGES)
