"""How much of a question a passage covers: the share of the weight of the question's terms that the passage has."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from dpr.sparse.bm25 import lucene_idf
from dpr.sparse.counts import TermCounts
from dpr.sparse.question_terms import frequencies_of
from dpr.types import BoolArray, DoubleArray, IntArray


def coverage(
    questions: Sequence[Sequence[str]],
    rows: IntArray,
    counts: Sequence[TermCounts],
    frequencies: Sequence[IntArray],
    passages: int,
) -> DoubleArray:
    """Return how much of each question its passage covers, (Q,), from 0 for nothing to 1 for every term.

    The coverage of a question q by a passage p is Σ idf(t) over the terms t of q that p has, divided by Σ idf(t) over
    all terms of q, repeats not counted. idf(t) = ln(1 + (P - n + ½) / (n + ½)) for a term that n of the P passages
    have (`lucene_idf`): a term that no passage has weighs most, and a word of every passage next to nothing.

    Args:
        questions: the terms of Q questions.
        rows: a passage for each question, (Q,); -1 for none, which covers nothing.
        counts: the term counts of each segment; a row counts through the segments.
        frequencies: for each segment, in how many passages of the collection its terms come.
        passages: how many passages the collection has, deleted ones not counted.
    """
    terms = sorted(set(chain.from_iterable(questions)))
    number_of = {term: number for number, term in enumerate(terms)}
    in_segments, document_frequencies = frequencies_of(terms, [part.vocabulary for part in counts], frequencies)
    idf = lucene_idf(document_frequencies, passages)
    ends = np.cumsum([len(part.lengths) for part in counts])
    shares = np.zeros(len(questions))
    for place, (question, row) in enumerate(zip(questions, rows.tolist(), strict=True)):
        if row >= 0 and question:
            numbers = np.unique([number_of[term] for term in question])
            segment = int(np.searchsorted(ends, row, side="right"))
            first = int(ends[segment]) - len(counts[segment].lengths)
            is_there = _has(counts[segment], in_segments[segment, numbers], row - first)
            shares[place] = idf[numbers[is_there]].sum() / idf[numbers].sum()
    return shares


def _has(counts: TermCounts, terms: IntArray, row: int) -> BoolArray:
    """Tell which terms, by their numbers in a segment or -1, a passage of it has, (terms,)."""
    is_there = np.zeros(len(terms), dtype=np.bool_)
    for place, term in enumerate(terms.tolist()):
        if term >= 0:
            postings = counts.rows[counts.indptr[term] : counts.indptr[term + 1]]
            posting = int(np.searchsorted(postings, row))
            is_there[place] = posting < len(postings) and postings[posting] == row
    return is_there
