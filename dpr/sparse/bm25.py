"""BM25 as it weighs postings: Okapi as in ``rank_bm25.BM25Okapi``, and Lucene's form.

A passage's score is the sum, over the question's terms t, of idf(t) · saturation(count of t in the passage). The
formulas are those of Trotman, Puurula and Burgess, "Improvements to BM25 and Language Models Examined" (2014), and
of Kamphuis, de Vries, Boytsov and Lin, "Which BM25 Do You Mean?" (2020).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dpr.sparse.counts import TermCounts
from dpr.types import FloatArray, IntArray

DoubleArray = npt.NDArray[np.float64]
Saturation = Callable[[DoubleArray, DoubleArray, float], DoubleArray]


def okapi_weights(counts: TermCounts, k1: float, b: float, epsilon: float) -> FloatArray:
    """Return the weight of each posting as in ``rank_bm25.BM25Okapi``, (postings,) float32."""
    idf = okapi_idf(counts.document_frequencies, len(counts.lengths), epsilon)
    return _weigh(counts, idf, okapi_saturation, k1, b)


def lucene_weights(counts: TermCounts, k1: float, b: float) -> FloatArray:
    """Return the weight of each posting in Lucene's form with exact lengths, (postings,) float32."""
    return _weigh(counts, lucene_idf(counts.document_frequencies, len(counts.lengths)), lucene_saturation, k1, b)


def okapi_idf(frequencies: IntArray, passages: int, epsilon: float) -> DoubleArray:
    """Return log(P - n + ½) - log(n + ½) for terms in n of P passages, (T,).

    Where that is negative (a term in more than half of the passages) it is ``epsilon`` times the mean over all
    terms, which can itself be negative in a tiny collection.
    """
    if len(frequencies) == 0:
        return np.empty(0)
    idf: DoubleArray = np.log(passages - frequencies + 0.5) - np.log(frequencies + 0.5)
    floor = epsilon * idf.mean() + 0.0  # a sum with +0 is never -0, which the engine takes for "no posting"
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


def length_norms(lengths: npt.NDArray[np.int32], b: float) -> DoubleArray:
    """Return 1 - b + b · length / mean length, (P,)."""
    mean = lengths.mean() if lengths.any() else 1.0
    norms: DoubleArray = 1 - b + b * lengths / mean
    return norms


def _weigh(counts: TermCounts, idf: DoubleArray, saturation: Saturation, k1: float, b: float) -> FloatArray:
    norms = length_norms(counts.lengths, b)
    weights: FloatArray = np.empty(len(counts.rows), dtype=np.float32)
    for block in counts.blocks():
        weights[block.span] = idf[block.terms] * saturation(block.counts, norms[block.rows], k1)
    return weights
