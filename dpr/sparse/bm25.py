"""BM25 as it weighs postings: Okapi as in ``rank_bm25.BM25Okapi``, and Lucene's form.

A passage's score is the sum, over the question's terms t, of idf(t) · saturation(count of t in the passage). The
formulas are those of Trotman, Puurula and Burgess, "Improvements to BM25 and Language Models Examined" (2014), and
of Kamphuis, de Vries, Boytsov and Lin, "Which BM25 Do You Mean?" (2020).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dpr.sparse.collection import CollectionStatistics, raw_idf
from dpr.sparse.counts import TermCounts
from dpr.types import DoubleArray, FloatArray, Int32Array, IntArray

Saturation = Callable[[DoubleArray, DoubleArray, float], DoubleArray]


def okapi_weights(
    counts: TermCounts, collection: CollectionStatistics, k1: float, b: float, epsilon: float
) -> FloatArray:
    """Return the weight of each posting as in ``rank_bm25.BM25Okapi``, (postings,) float32."""
    return _weigh(counts, collection, okapi_idf(collection, epsilon), okapi_saturation, k1, b)


def lucene_weights(counts: TermCounts, collection: CollectionStatistics, k1: float, b: float) -> FloatArray:
    """Return the weight of each posting in Lucene's form with exact lengths, (postings,) float32."""
    idf = lucene_idf(collection.frequencies, collection.passages)
    return _weigh(counts, collection, idf, lucene_saturation, k1, b)


def okapi_idf(collection: CollectionStatistics, epsilon: float) -> DoubleArray:
    """Return log(P - n + ½) - log(n + ½) for a segment's terms in n of the collection's P passages, (T,).

    Where that is negative (a term in more than half of the passages) it is ``epsilon`` times the mean over all
    terms of the collection, which can itself be negative in a tiny one.
    """
    idf = raw_idf(collection.frequencies, collection.passages)
    floor = epsilon * collection.mean_idf + 0.0  # a sum with +0 is never -0, which the engine takes for "no posting"
    return np.where(idf < 0, floor, idf)


def lucene_idf(frequencies: IntArray, passages: int) -> DoubleArray:
    """Return log(1 + (P - n + ½) / (n + ½)) for terms in n of P passages, (T,); it is always positive."""
    return np.log1p((passages - frequencies + 0.5) / (frequencies + 0.5))


def okapi_saturation(count: DoubleArray, length_norm: DoubleArray, k1: float) -> DoubleArray:
    """Return count · (k1 + 1) / (count + k1 · length norm)."""
    return count * (k1 + 1) / (count + k1 * length_norm)


def lucene_saturation(count: DoubleArray, length_norm: DoubleArray, k1: float) -> DoubleArray:
    """Return count / (count + k1 · length norm)."""
    return count / (count + k1 * length_norm)


def length_norms(lengths: Int32Array, mean: float, b: float) -> DoubleArray:
    """Return 1 - b + b · length / mean length, (P,)."""
    norms: DoubleArray = 1 - b + b * lengths.astype(np.float64) / mean
    return norms


def _weigh(
    counts: TermCounts, collection: CollectionStatistics, idf: DoubleArray, saturation: Saturation, k1: float, b: float
) -> FloatArray:
    norms = length_norms(counts.lengths, collection.mean_length, b)
    weights: FloatArray = np.empty(len(counts.rows), dtype=np.float32)
    for block in counts.blocks():
        weights[block.span] = idf[block.terms] * saturation(block.counts, norms[block.rows], k1)
    return weights
