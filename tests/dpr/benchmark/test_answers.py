"""Answers end to end: numbers that can be checked by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dpr.benchmark.answers import AnswerOptions, evaluate
from dpr.benchmark.retrieved_questions import RetrieverChoice, retrieve
from dpr.errors import ConfigError, DataError, RequestError
from dpr.search.contract import Retriever
from dpr.types import Answer, Candidates, Example, Hit, ListScore, Passage, Question, Reading
from tests.fakes import FakeIndex

PASSAGES = [
    Passage("p0", "nothing here", document_id="d0"),
    Passage("p1", "서울은 수도이다", document_id="d1"),
    Passage("p2", "the capital is Rome", document_id="d2"),
]
EXAMPLES = [
    Example(Question("a", "capital of Korea?", ("서울",)), (PASSAGES[1],)),
    Example(Question("b", "capital of Italy?", ("Rome",)), (PASSAGES[2],)),
    Example(Question("c", "capital of nowhere?"), (PASSAGES[0],), is_impossible=True),
]


class Ordered(Retriever):
    """Finds the passages in their order, for whatever question."""

    name = "bm25"

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        return [
            [
                Hit(row, passage.id, row + 1, -float(row), {self.name: ListScore(row + 1, -row, -row)})
                for row, passage in enumerate(PASSAGES[:k])
            ]
            for _ in questions
        ]


def index() -> FakeIndex:
    return FakeIndex(PASSAGES, {"bm25": Ordered()})


class LastWordReader:
    """Answers with the last passage's last word, and with nothing when all it has is the first passage."""

    name = "last-word"

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        return [self._read(item.passages[-1], len(item.passages)) for item in batch]

    def _read(self, passage: Passage, count: int) -> Reading:
        word = passage.text.split()[-1]
        start = passage.text.rindex(word)
        answer = Answer(word, passage.id, start, len(passage.text), float(count), float(count), 0.0)
        return Reading((answer,), is_answered=count > 1, no_answer_score=-float(count))


def test_each_depth_is_judged_on_its_own(tmp_path: Path) -> None:
    report, results = evaluate(
        index(), LastWordReader(), EXAMPLES, AnswerOptions([3, 1, 2], "squad-2.0", retriever="bm25"), tmp_path
    )
    assert list(results) == [1, 2, 3]
    assert [results[k].metrics()["exact_match"] for k in (1, 2, 3)] == pytest.approx([1 / 3, 0, 1 / 3])
    assert [results[k].answer_recall for k in (1, 2, 3)] == pytest.approx([0, 1 / 3, 2 / 3])
    assert [results[k].dpr_answer_recall for k in (1, 2, 3)] == pytest.approx([0, 0, 1 / 3])
    no_answers = [results[k].scores.no_answer for k in (1, 2, 3)]
    assert [(actual.questions, actual.precision, actual.recall) for actual in no_answers if actual] == [
        (3, 1.0, 1.0), (2, 0.0, 0.0), (1, 0.0, 0.0),
    ]  # fmt: skip
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(report))
    assert json.loads((tmp_path / "answers-3.json").read_text(encoding="utf-8")) == dict.fromkeys("abc", "Rome")
    assert json.loads((tmp_path / "answers-1.json").read_text(encoding="utf-8")) == dict.fromkeys("abc", "")
    assert (tmp_path / "risk-coverage.png").stat().st_size > 1000


class SureReader(LastWordReader):
    """Is sure that the last passage answers the question."""

    def _read(self, passage: Passage, count: int) -> Reading:
        return replace(super()._read(passage, count), probability=1.0)


def test_a_probability_is_judged_by_the_best_answer(tmp_path: Path) -> None:
    _, results = evaluate(
        index(), SureReader(), EXAMPLES, AnswerOptions([1, 2, 3], "squad-2.0", retriever="bm25"), tmp_path
    )
    assert [results[k].answer_recall for k in (1, 2, 3)] == pytest.approx([0, 1 / 3, 2 / 3])
    errors = [results[k].metrics()["expected_calibration_error"] for k in (1, 2, 3)]
    assert errors == pytest.approx([1, 1, 2 / 3])  # at 2, the last word of the right passage is a wrong answer


def test_the_answers_are_those_that_the_rule_judged(tmp_path: Path) -> None:
    for rule, answer in (("squad-1.1", "here"), ("squad-2.0", "")):  # the reader stands by none, version 1.1 asks on
        evaluate(index(), LastWordReader(), EXAMPLES, AnswerOptions([1], rule, retriever="bm25"), tmp_path)
        assert json.loads((tmp_path / "answers-1.json").read_text(encoding="utf-8")) == dict.fromkeys("abc", answer)


def test_the_report_has_values_intervals_and_cost(tmp_path: Path) -> None:
    report, _ = evaluate(
        index(),
        LastWordReader(),
        EXAMPLES,
        AnswerOptions([2], "squad-2.0", retriever="bm25", source="here", command="dpr evaluate"),
        tmp_path,
    )
    written = json.loads(json.dumps(report))
    system = written["systems"]["bm25 k=2"]
    assert system["metrics"]["f1"]["low"] <= system["metrics"]["f1"]["value"] <= system["metrics"]["f1"]["high"]
    assert system["cost"]["single_questions"] == 3
    assert 0 < system["cost"]["single_ms_p50"] <= system["cost"]["single_ms_p95"]
    assert (written["reader"], written["rule"], written["generation"]) == ("last-word", "squad-2.0", "000003")
    assert written["questions"] == {"source": "here", "count": 3}


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"answers are requested at k = \[0\]"):
        evaluate(index(), LastWordReader(), EXAMPLES, AnswerOptions([0], "squad-2.0", retriever="bm25"), tmp_path)
    with pytest.raises(RequestError, match=r"k = \[\]"):
        evaluate(index(), LastWordReader(), EXAMPLES, AnswerOptions([], "squad-2.0", retriever="bm25"), tmp_path)
    with pytest.raises(RequestError, match="unknown retriever"):
        evaluate(index(), LastWordReader(), EXAMPLES, AnswerOptions([1], "squad-2.0", retriever="hybrid"), tmp_path)
    with pytest.raises(ConfigError, match="unknown answer rule"):
        evaluate(index(), LastWordReader(), EXAMPLES, AnswerOptions([1], "rouge", retriever="bm25"), tmp_path)
    with pytest.raises(DataError, match="no questions to ask"):
        retrieve(index(), [], RetrieverChoice("bm25", 1))
    assert not list(tmp_path.iterdir())
