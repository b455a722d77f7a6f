"""TF-IDF as in scikit-learn's ``TfidfVectorizer`` (smooth idf, l2 norm): a score is a cosine."""

from __future__ import annotations

import numpy as np

from dpr.sparse.collection import CollectionStatistics
from dpr.sparse.counts import TermCounts
from dpr.sparse.question_terms import QuestionTerms
from dpr.types import DoubleArray, FloatArray, IntArray


def smooth_idf(frequencies: IntArray, passages: int) -> DoubleArray:
    """Return log((1 + P) / (1 + n)) + 1 for terms in n of P passages, as if one more passage had every term."""
    return np.log((1 + passages) / (1 + frequencies)) + 1


def tfidf_weights(counts: TermCounts, collection: CollectionStatistics) -> FloatArray:
    """Return the weight of each posting, (postings,) float32: count · idf, over the norm of the passage's vector."""
    idf = smooth_idf(collection.frequencies, collection.passages)
    squares = np.zeros(len(counts.lengths))
    for block in counts.blocks():
        values = block.counts * idf[block.terms]
        squares += np.bincount(block.rows, weights=values**2, minlength=len(squares))
    norms = np.sqrt(squares)
    weights: FloatArray = np.empty(len(counts.rows), dtype=np.float32)
    for block in counts.blocks():
        weights[block.span] = block.counts * idf[block.terms] / norms[block.rows]
    return weights


def tfidf_factors(questions: QuestionTerms, passages: int) -> FloatArray:
    """Return the factor of each term of each question, float32: count · idf, over the norm of the question's vector.

    A question's vector has only terms that some of the ``passages`` have.
    """
    values = questions.repeats * smooth_idf(questions.frequencies, passages)
    squares = np.bincount(questions.owners, weights=values**2, minlength=len(questions))
    return (values / np.sqrt(squares)[questions.owners]).astype(np.float32)
