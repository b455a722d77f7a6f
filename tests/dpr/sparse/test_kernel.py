"""Collections above one block, made of postings alone."""

from __future__ import annotations

import numpy as np
import pytest

from dpr.sparse.counts import TermCounts
from dpr.sparse.kernel import BLOCK, LANE, REVISIT_BELOW
from dpr.sparse.posting_search import FEW_ROWS
from dpr.sparse.vocabulary import Vocabulary
from dpr.types import FloatArray
from tests.dpr.sparse.test_engine import brute_force, weighed

PASSAGES = 2 * BLOCK + 12345
TERMS = [f"{number:02d}" for number in range(6)]
FREQUENCIES = [1, 40, 3000, BLOCK // 4, BLOCK, PASSAGES]


def collection() -> tuple[TermCounts, np.random.Generator]:
    generator = np.random.default_rng(0)
    postings = [np.sort(generator.choice(PASSAGES, size=size, replace=False)) for size in FREQUENCIES]
    rows = np.concatenate(postings).astype(np.int32)
    lengths = np.bincount(rows, minlength=PASSAGES).astype(np.int32)
    indptr = np.concatenate(([0], np.cumsum(FREQUENCIES)))
    return TermCounts(Vocabulary.from_terms(TERMS), indptr, rows, np.ones_like(rows), lengths), generator


COUNTS, GENERATOR = collection()
RANK = GENERATOR.permutation(PASSAGES)
TIED = GENERATOR.integers(1, 4, len(COUNTS.rows)).astype(np.float32)
SPREAD = GENERATOR.random(len(COUNTS.rows)).astype(np.float32)


def test_a_block_is_whole_lanes() -> None:
    assert BLOCK % LANE == 0


def test_questions_are_answered_both_by_scanning_and_by_revisiting() -> None:
    assert FREQUENCIES[2] < REVISIT_BELOW * BLOCK < FREQUENCIES[5] / 3


@pytest.mark.parametrize("weights", [TIED, SPREAD, -TIED], ids=["tied", "spread", "negative"])
@pytest.mark.parametrize("terms", [[0], [1, 2], [0, 3], [5], [2, 3, 4], [0, 1, 2, 3, 4, 5]])
def test_top_k_is_brute_force_across_blocks(weights: FloatArray, terms: list[int]) -> None:
    engine = weighed(COUNTS, weights, RANK)
    top = engine.search([[TERMS[term] for term in terms]], 100)
    expected = brute_force(COUNTS, weights, terms, RANK, 100)
    assert top.rows[0, : len(expected.rows)].tolist() == expected.rows.tolist()
    assert top.scores[0, : len(expected.rows)].tolist() == expected.scores.tolist()
    assert (top.rows[0, len(expected.rows) :] == -1).all()


@pytest.mark.parametrize("weights", [TIED, SPREAD, -TIED], ids=["tied", "spread", "negative"])
@pytest.mark.parametrize("count", [0, 1, 30, 2000])
def test_few_selected_rows_have_the_scores_and_the_order_of_all(weights: FloatArray, count: int) -> None:
    generator = np.random.default_rng(count)
    frequent = COUNTS.rows[: sum(FREQUENCIES[:3])]
    selected = generator.choice(np.concatenate((np.unique(frequent), np.arange(500))), size=count, replace=False)
    assert count <= FEW_ROWS * PASSAGES
    ranks = np.full(PASSAGES, -1)
    ranks[selected] = RANK[selected]
    engine = weighed(COUNTS, weights, RANK, threads=1).selecting(ranks)
    questions = [[TERMS[5]], [TERMS[1], TERMS[2]], [], [TERMS[4], TERMS[0], TERMS[3]], TERMS]
    top = engine.search(questions, 40)
    for number, question in enumerate(questions):
        expected = brute_force(COUNTS, weights, [TERMS.index(term) for term in question], ranks, 40)
        found = len(expected.rows)
        assert top.rows[number, :found].tolist() == expected.rows.tolist()
        assert top.scores[number, :found].tolist() == expected.scores.tolist()
        assert (top.rows[number, found:] == -1).all()


def test_one_question_leaves_nothing_to_the_next() -> None:
    engine = weighed(COUNTS, SPREAD, RANK, threads=1)
    questions = [[TERMS[5], TERMS[1]], [TERMS[1]], [TERMS[4], TERMS[0]], [TERMS[1]], [], [TERMS[2], TERMS[1]]]
    together = engine.search(questions, 30)
    for position, question in enumerate(questions):
        np.testing.assert_array_equal(together.rows[position], engine.search([question], 30).rows[0])
