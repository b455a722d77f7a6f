from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from dpr.sparse.collection import CollectionStatistics
from dpr.sparse.counts import TermCounts
from dpr.sparse.question_terms import QuestionTerms
from dpr.sparse.tfidf import tfidf_factors, tfidf_weights
from tests.dpr.sparse.contract import random_documents
from tests.dpr.sparse.test_bm25 import dense_weights

QUESTIONS = [["t1", "t2", "t1"], ["t5", "unheard"], ["unheard"], [], ["t3", "t9", "t30"]]


def asked(questions: Sequence[Sequence[str]], counts: TermCounts) -> QuestionTerms:
    return QuestionTerms.from_questions(questions, [counts.vocabulary], [counts.document_frequencies])


def test_scores_are_the_cosines_of_scikit_learn() -> None:
    documents = random_documents(200, 30)
    counts = TermCounts.build(documents)
    reference = TfidfVectorizer(analyzer=lambda terms: terms)
    passages = reference.fit_transform(documents)
    questions = asked(QUESTIONS, counts)
    factors = np.zeros((len(QUESTIONS), len(counts.vocabulary)))
    factors[questions.owners, questions.numbers[0]] = tfidf_factors(questions, len(counts.lengths))
    actual = (
        factors @ dense_weights(counts, tfidf_weights(counts, CollectionStatistics.from_counts(counts))).T
    )  # (Q, P)
    expected = (reference.transform(QUESTIONS) @ passages.T).toarray()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_a_passage_asked_whole_scores_one() -> None:
    counts = TermCounts.build([["a", "b", "b"], ["a", "c"]])
    questions = asked([["b", "a", "b"]], counts)
    weights = dense_weights(counts, tfidf_weights(counts, CollectionStatistics.from_counts(counts)))[
        0, questions.numbers[0]
    ]
    np.testing.assert_allclose(tfidf_factors(questions, len(counts.lengths)) @ weights, 1.0, rtol=1e-6)


def test_empty_collections_have_no_weights() -> None:
    counts = TermCounts.build([[]])
    assert tfidf_weights(counts, CollectionStatistics.from_counts(counts)).shape == (0,)
