"""Coverage: the share of a question's terms, weighted by idf, that a passage contains."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from dpr.sparse.bm25 import lucene_idf
from dpr.sparse.counts import TermCounts
from dpr.sparse.question_terms import frequencies_of
from dpr.topk import segment_of
from dpr.types import DoubleArray, IntArray


def coverage(
    questions: Sequence[Sequence[str]],
    rows: IntArray,
    counts: Sequence[TermCounts],
    frequencies: Sequence[IntArray],
    passages: int,
) -> DoubleArray:
    """Return the coverage of each question by its passage, (Q,), from 0 for no term to 1 for every term.

    The coverage of a question q by a passage p is Σ idf(t) over the terms t of q that p has, divided by Σ idf(t) over
    all terms of q, repeats not counted. idf(t) = ln(1 + (P - n + ½) / (n + ½)) for a term that n of the P passages
    have (`lucene_idf`): a term that no passage has weighs most, a term of every passage almost nothing.

    Args:
        questions: the terms of Q questions.
        rows: a passage for each question, (Q,); -1 for none, whose coverage is 0.
        counts: the term counts of each segment; a row counts through the segments.
        frequencies: for each segment, the document frequencies of its terms in the collection.
        passages: the number of passages of the collection, deleted ones not counted.
    """
    terms = sorted(set(chain.from_iterable(questions)))
    number_of = {term: number for number, term in enumerate(terms)}
    in_segments, document_frequencies = frequencies_of(
        terms, [segment_counts.vocabulary for segment_counts in counts], frequencies
    )
    idf = lucene_idf(document_frequencies, passages)
    sizes = [len(segment_counts.lengths) for segment_counts in counts]
    shares = np.zeros(len(questions))
    for number, (question, row) in enumerate(zip(questions, rows.tolist(), strict=True)):
        if row >= 0 and question:
            numbers = np.unique([number_of[term] for term in question])
            segment, own_row = segment_of(row, sizes)
            of_row = (counts[segment].posting(term, own_row) for term in in_segments[segment, numbers].tolist())
            is_there = np.array([posting is not None for posting in of_row])
            shares[number] = idf[numbers[is_there]].sum() / idf[numbers].sum()
    return shares
