from __future__ import annotations

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from dpr.sparse.bm25 import length_norms, lucene_idf, lucene_weights, okapi_idf, okapi_weights
from dpr.sparse.collection import CollectionStatistics
from dpr.sparse.counts import TermCounts
from dpr.types import DoubleArray, FloatArray
from tests.dpr.sparse.contract import random_documents

PARAMETERS = [(1.2, 0.75), (1.5, 0.75), (0.9, 0.4), (2.0, 0.0), (0.1, 0.9)]


def dense_weights(counts: TermCounts, weights: FloatArray) -> DoubleArray:
    """Return the weights as a table of passages by terms, (P, T)."""
    table = np.zeros((len(counts.lengths), len(counts.vocabulary)))
    table[counts.rows, np.repeat(np.arange(len(counts.vocabulary)), counts.document_frequencies)] = weights
    return table


@pytest.mark.parametrize(("k1", "b"), PARAMETERS)
@pytest.mark.parametrize("epsilon", [0.0, 0.25, 1.0])
def test_okapi_is_rank_bm25(k1: float, b: float, epsilon: float) -> None:
    documents = random_documents(200, 30)  # its first terms are in more than half of the passages
    counts = TermCounts.build(documents)
    reference = BM25Okapi(documents, k1=k1, b=b, epsilon=epsilon)
    assert min(np.log(200.5 - n) - np.log(n + 0.5) for n in counts.document_frequencies) < 0
    expected = np.stack([reference.get_scores([term]) for term in counts.vocabulary], axis=1)
    actual = dense_weights(counts, okapi_weights(counts, CollectionStatistics.from_counts(counts), k1, b, epsilon))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=6), min_size=1, max_size=8).filter(any))
def test_okapi_is_rank_bm25_in_any_tiny_collection(documents: list[list[str]]) -> None:
    counts = TermCounts.build(documents)
    reference = BM25Okapi(documents, k1=1.2, b=0.75, epsilon=0.25)
    expected = np.stack([reference.get_scores([term]) for term in counts.vocabulary], axis=1)
    actual = dense_weights(counts, okapi_weights(counts, CollectionStatistics.from_counts(counts), 1.2, 0.75, 0.25))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_okapi_floor_may_be_negative_but_never_the_negative_zero() -> None:
    collection = CollectionStatistics.from_counts(TermCounts.build([["a", "b"], ["a", "b"]]))
    assert (okapi_idf(collection, 0.25) < 0).all()
    assert np.copysign(1.0, okapi_idf(collection, 0.0)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("k1", "b"), PARAMETERS)
def test_lucene_is_bm25s(k1: float, b: float) -> None:
    documents = random_documents(200, 30)
    counts = TermCounts.build(documents)
    reference = bm25s.BM25(k1=k1, b=b, method="lucene")
    reference.index(documents, show_progress=False)
    expected = np.stack([reference.get_scores([term]) for term in counts.vocabulary], axis=1)
    actual = dense_weights(counts, lucene_weights(counts, CollectionStatistics.from_counts(counts), k1, b))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_lucene_idf_is_positive_even_in_every_passage() -> None:
    assert lucene_idf(np.array([1, 5, 10]), 10).min() > 0


def test_weights_are_float32_and_one_for_each_posting() -> None:
    counts = TermCounts.build(random_documents(20, 5))
    collection = CollectionStatistics.from_counts(counts)
    for weights in (okapi_weights(counts, collection, 1.2, 0.75, 0.25), lucene_weights(counts, collection, 1.2, 0.75)):
        assert weights.dtype == np.float32
        assert weights.shape == counts.rows.shape


def test_length_norm_is_one_at_the_mean_length() -> None:
    assert length_norms(np.array([5, 10, 15], dtype=np.int32), 10, 0.75).tolist() == [0.625, 1.0, 1.375]


@pytest.mark.parametrize("documents", [[], [[], []]])
def test_empty_collections_have_no_weights(documents: list[list[str]]) -> None:
    counts = TermCounts.build(documents)
    assert okapi_weights(counts, CollectionStatistics.from_counts(counts), 1.2, 0.75, 0.25).shape == (0,)
    assert lucene_weights(counts, CollectionStatistics.from_counts(counts), 1.2, 0.75).shape == (0,)
