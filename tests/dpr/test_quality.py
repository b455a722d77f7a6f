"""Quality from Python: numbers that can be checked by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import dpr
from dpr.errors import ConfigError, DataError, RequestError
from dpr.search.open import open_index
from dpr.types import Candidates
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index

PARIS, ROME = (passage for passage in PASSAGES if passage.id in ("paris", "rome"))
EXAMPLES = [
    dpr.Example(dpr.Question("a", "capital of France", ("Paris",)), (PARIS,)),
    dpr.Example(dpr.Question("b", "capital of Italy", ("Rome",)), (ROME,)),
    dpr.Example(dpr.Question("c", "language of France", ("French",)), (ROME,)),
    dpr.Example(dpr.Question("d", "dish of fermented cabbage"), (), is_impossible=True),
]


class FirstWordReader:
    """Answers with the first word of the first passage."""

    name = "first-word"

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[dpr.Reading]:
        return [self._reading(item.passages[0]) for item in batch]

    def _reading(self, passage: dpr.Passage) -> dpr.Reading:
        word = passage.text.split()[0]
        return dpr.Reading((dpr.Answer(word, passage.id, 0, len(word), 1.0, 1.0, 0.0),), True, -1.0)


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> dpr.QA:
    root = tmp_path_factory.mktemp("quality") / "index"
    small_index(root)
    index = open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())
    return dpr.QA(index, FirstWordReader(), retrieval=dpr.RetrievalOptions("bm25"))


def test_retrieval_and_answers_are_measured_together(qa: dpr.QA) -> None:
    evaluation = dpr.evaluate(qa, EXAMPLES, ks=(2, 1), rule="squad-2.0")
    assert evaluation.questions == 4
    assert evaluation.retrieval["recall@1"] == pytest.approx(2 / 3)
    assert evaluation.retrieval["mrr@10"] == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert list(evaluation.answers) == [1, 2]
    assert evaluation.answers[1]["exact_match"] == pytest.approx(2 / 4)
    assert json.loads(json.dumps(evaluation.to_dict()))["answers"]["1"]["exact_match"] == pytest.approx(2 / 4)


def test_a_pipeline_without_a_reader_is_measured_by_its_passages(qa: dpr.QA) -> None:
    evaluation = dpr.evaluate(dpr.QA(qa.index, retrieval=qa.retrieval), EXAMPLES, ks=[1])
    assert evaluation.retrieval["recall@1"] == pytest.approx(2 / 3)
    assert evaluation.answers == {}


def test_questions_without_labelled_passages_are_measured_by_their_answers(qa: dpr.QA) -> None:
    examples = [dpr.Example(example.question, ()) for example in EXAMPLES[:2]]
    evaluation = dpr.evaluate(qa, examples, ks=[1])
    assert evaluation.retrieval == {}
    assert evaluation.answers[1]["exact_match"] == 1.0


def test_unanswerable_questions_are_measured_by_their_answers(qa: dpr.QA) -> None:
    unanswerable = dpr.Example(dpr.Question("d", "dish of fermented cabbage"), (PARIS,), is_impossible=True)
    evaluation = dpr.evaluate(qa, [unanswerable], ks=[1], rule="squad-2.0")
    assert evaluation.retrieval == {}
    assert evaluation.answers[1]["exact_match"] == 0.0


def test_a_source_is_read(qa: dpr.QA, tmp_path: Path) -> None:
    context = PARIS.text
    row = {"question": "capital of France", "id": "q", "answers": [{"text": "Paris", "answer_start": 0}]}
    document = {"data": [{"title": "Paris", "paragraphs": [{"context": context, "qas": [row]}]}]}
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    evaluation = dpr.evaluate(qa, f"squad:{path}", ks=[1])
    assert (evaluation.retrieval["recall@1"], evaluation.answers[1]["f1"]) == (1.0, 1.0)


def test_a_passage_that_is_the_question_itself_does_not_count(qa: dpr.QA) -> None:
    example = dpr.Example(dpr.Question("paris", PARIS.text), (ROME,), excluded_ids=("paris",))
    assert dpr.evaluate(qa, [example], ks=[1]).retrieval["recall@1"] == 1.0


def test_what_cannot_be_measured_is_refused(qa: dpr.QA) -> None:
    with pytest.raises(DataError, match="no questions"):
        dpr.evaluate(qa, [])
    with pytest.raises(RequestError, match="each from 1"):
        dpr.evaluate(qa, EXAMPLES, ks=[0, 1])
    with pytest.raises(ConfigError, match="rouge"):
        dpr.evaluate(qa, EXAMPLES, rule="rouge")
    with pytest.raises(DataError, match="none of the gold passages"):
        dpr.evaluate(qa, [dpr.Example(dpr.Question("x", "where"), (dpr.Passage("nowhere", "not there"),))])
