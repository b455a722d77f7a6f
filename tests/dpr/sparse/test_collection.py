"""Segments with deletions are searched as if the other passages were all there ever was."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.sparse.collection import CollectionStatistics, collection_statistics
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.sparse.scheme import SCHEMES
from dpr.types import IntArray, SparseIndex
from tests.dpr.sparse.contract import SparseIndexContract

TERMS = ["a", "b", "c", "d", "서울", "e"]
segment_lists = st.lists(st.lists(st.lists(st.sampled_from(TERMS), max_size=6), max_size=8), min_size=1, max_size=4)


def segmented(parts: list[TermCounts], deleted: list[IntArray], ranks: list[IntArray], scheme: str) -> SparseEngine:
    is_deleted = [np.isin(np.arange(len(segment.lengths)), rows) for segment, rows in zip(parts, deleted, strict=True)]
    collections, _ = collection_statistics(parts, is_deleted)
    segments = [
        SparseSegment(
            segment, SCHEMES[scheme].weights(segment, collection), collection.frequencies, np.where(dead, -1, rank)
        )
        for segment, collection, dead, rank in zip(parts, collections, is_deleted, ranks, strict=True)
    ]
    return SparseEngine(segments, scheme, collections[0].passages)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(segment_lists, st.data())
def test_hits_and_scores_are_those_of_the_other_passages_alone(
    scheme: str, segments: list[list[list[str]]], data: st.DataObject
) -> None:
    total = sum(map(len, segments))
    rank = np.array(data.draw(st.permutations(range(total))), dtype=np.int64)
    deleted = np.array(data.draw(st.lists(st.booleans(), min_size=total, max_size=total)), dtype=bool)
    questions = data.draw(st.lists(st.lists(st.sampled_from([*TERMS, "unheard"]), max_size=5), max_size=3))
    k = data.draw(st.integers(1, 12))
    ends = np.cumsum([len(documents) for documents in segments])[:-1]
    parts = [TermCounts.build(documents) for documents in segments]
    actual = segmented(
        parts, [np.flatnonzero(is_deleted) for is_deleted in np.split(deleted, ends)], np.split(rank, ends), scheme
    ).search(questions, k)

    alive = np.flatnonzero(~deleted)
    documents = [document for segment in segments for document in segment]
    fresh = SparseEngine(
        [SparseSegment.alone(TermCounts.build([documents[row] for row in alive]), scheme, rank[alive])], scheme
    )
    expected = fresh.search(questions, k)
    wanted = np.where(expected.rows < 0, -1, alive[expected.rows]) if len(alive) else expected.rows
    np.testing.assert_array_equal(actual.rows, wanted)
    np.testing.assert_array_equal(actual.scores, expected.scores)


def test_a_term_of_deleted_passages_alone_does_not_lower_the_floor_of_the_others() -> None:
    segments = [TermCounts.build([["a", "b"], ["a"], ["a", "rare"]])]
    (collection,), terms = collection_statistics(segments, [np.array([False, False, True])])
    alone = CollectionStatistics.from_counts(TermCounts.build([["a", "b"], ["a"]]))
    assert (collection.passages, collection.mean_length, collection.mean_idf) == (2, 1.5, alone.mean_idf)
    assert collection.frequencies.tolist() == [2, 1, 0]
    assert terms == 2


class TestThreeSegments(SparseIndexContract):
    def build(self, documents: Sequence[Sequence[str]], id_rank: Sequence[int] | None = None) -> SparseIndex:
        ranks = np.arange(len(documents)) if id_rank is None else np.array(id_rank)
        bounds = list(pairwise([0, len(documents) // 3, len(documents) // 2, len(documents)]))
        segments = [TermCounts.build(documents[start:end]) for start, end in bounds]
        if len(ranks) != len(documents):
            return SparseEngine([SparseSegment.alone(TermCounts.build(documents), id_rank=ranks)])
        return segmented(segments, [np.array([])] * 3, [ranks[start:end] for start, end in bounds], "bm25")
