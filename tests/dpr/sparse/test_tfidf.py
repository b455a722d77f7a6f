from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from dpr.sparse.counts import TermCounts
from dpr.sparse.question_terms import QuestionTerms
from dpr.sparse.tfidf import tfidf_factors, tfidf_weights
from tests.dpr.sparse.contract import random_documents
from tests.dpr.sparse.test_bm25 import dense_weights

QUESTIONS = [["t1", "t2", "t1"], ["t5", "unheard"], ["unheard"], [], ["t3", "t9", "t30"]]


def test_scores_are_the_cosines_of_scikit_learn() -> None:
    documents = random_documents(200, 30)
    counts = TermCounts.build(documents)
    reference = TfidfVectorizer(analyzer=lambda terms: terms)
    passages = reference.fit_transform(documents)
    questions = QuestionTerms.of(QUESTIONS, counts.vocabulary)
    factors = np.zeros((len(QUESTIONS), len(counts.vocabulary)))
    factors[questions.owners, questions.terms] = tfidf_factors(questions, counts)
    found = factors @ dense_weights(counts, tfidf_weights(counts)).T  # (Q, P)
    wanted = (reference.transform(QUESTIONS) @ passages.T).toarray()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_passage_asked_whole_scores_one() -> None:
    counts = TermCounts.build([["a", "b", "b"], ["a", "c"]])
    questions = QuestionTerms.of([["b", "a", "b"]], counts.vocabulary)
    weights = dense_weights(counts, tfidf_weights(counts))[0, questions.terms]
    np.testing.assert_allclose(tfidf_factors(questions, counts) @ weights, 1.0, rtol=1e-6)


def test_empty_collections_have_no_weights() -> None:
    assert tfidf_weights(TermCounts.build([[]])).shape == (0,)
