from __future__ import annotations

import numpy as np

from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.sparse.rank_bm25 import RankBM25Engine
from dpr.types import IntArray, SparseIndex
from tests.dpr.sparse.contract import SparseIndexContract, random_documents


class TestRankBM25(SparseIndexContract):
    def open(self, counts: TermCounts, id_rank: IntArray | None = None) -> SparseIndex:
        return RankBM25Engine(counts, id_rank=id_rank)


def test_it_finds_what_the_engine_finds() -> None:
    counts = TermCounts.build(random_documents(200, 30))
    parameters = {"k1": 0.9, "b": 0.4, "epsilon": 0.1}
    rank = np.random.default_rng(0).permutation(200)
    questions = [["t1", "t2", "t2"], ["t30", "t5", "unheard"], ["t9"]]
    actual = RankBM25Engine(counts, **parameters, id_rank=rank).search(questions, 200)
    expected = SparseEngine([SparseSegment.alone(counts, "bm25", rank, **parameters)]).search(questions, 200)
    np.testing.assert_allclose(actual.scores, expected.scores, rtol=1e-5, atol=1e-5)
    assert [set(rows) for rows in actual.rows.tolist()] == [set(rows) for rows in expected.rows.tolist()]


def test_an_empty_passage_is_no_hit_where_length_counts_in_full() -> None:
    top = RankBM25Engine(TermCounts.build([["a"], [], ["b", "a"]]), b=1.0).search([["a"]], 3)
    assert sorted(top.rows[0].tolist()) == [-1, 0, 2]
    assert np.isfinite(top.scores[0, :2]).all()
