"""The probability of a right answer, fitted on what was retrieved."""

from __future__ import annotations

import numpy as np
import pytest

from dpr.benchmark.retrieved_questions import RetrievedQuestions, RetrieverChoice, retrieve_without_own_documents
from dpr.reader.extractive.merge import PassageSpans
from dpr.reader.extractive.model import ReaderConfig
from dpr.tuning.reader import tune_probability
from dpr.types import Candidates, Example, Passage, Question
from tests.dpr.benchmark.test_answers import EXAMPLES, PASSAGES, index


def asked_of_four_articles(count: int) -> tuple[RetrievedQuestions, list[list[PassageSpans]]]:
    """Questions whose answers are right as often as their margins say."""
    random = np.random.default_rng(1)
    examples, candidates, found = [], [], []
    for number, margin in enumerate(random.normal(0, 3, count).tolist()):
        is_right = random.random() < 1 / (1 + np.exp(-margin))
        passage = Passage(f"p{number}", "Agnes", document_id=f"article {number % 4}")
        question = Question(str(number), "Who built it?", ("Agnes" if is_right else "Whitcombe",))
        examples.append(Example(question, (passage,)))
        candidates.append(Candidates(question.text, (passage,), (0.0,)))
        scores = np.array([margin], dtype=np.float32)
        found.append([PassageSpans(np.array([0]), np.array([5]), scores, null_score=0.0)])
    return RetrievedQuestions(examples, candidates), found


def test_the_probability_is_fitted_and_judged_by_other_articles() -> None:
    config, record = tune_probability(ReaderConfig(), *asked_of_four_articles(2000))
    [calibration] = config.calibration.values()
    assert calibration.intercept == pytest.approx(0, abs=0.2)
    assert calibration.weights == {"margin": pytest.approx(1, abs=0.15)}
    assert record["questions"] == 2000
    error = record["expected_calibration_error"]
    assert isinstance(error, float)
    assert error < 0.04


def test_a_question_may_be_asked_of_an_index_without_its_document() -> None:
    asked = retrieve_without_own_documents(index(), EXAMPLES, 1.0, RetrieverChoice("bm25", 2))
    ids = [[passage.id for passage in item.passages] for item in asked.candidates]
    assert ids == [["p0", "p2"], ["p0", "p1"], ["p1", "p2"]]
    assert [item.scores for item in asked.candidates] == [(0.0, -2.0), (0.0, -1.0), (-1.0, -2.0)]
    assert all(example.is_impossible and not example.question.answers for example in asked.examples)
    assert [PASSAGES[0].id, EXAMPLES[0].question.answers] == ["p0", ("서울",)]


def test_a_share_of_the_questions_is_evenly_spread() -> None:
    names = [
        [
            example.question.id
            for example in retrieve_without_own_documents(
                index(), EXAMPLES * 2, share, RetrieverChoice("bm25", 1)
            ).examples
        ]
        for share in (0.0, 0.5, 1.0)
    ]
    assert names == [[], ["a", "c", "b"], ["a", "b", "c"] * 2]
