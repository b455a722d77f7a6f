"""What every SparseIndex must do; each implementation's tests inherit it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.errors import IndexFormatError, RequestError
from dpr.sparse.counts import TermCounts
from dpr.types import IntArray, SparseIndex, TopK

DOCUMENTS: tuple[list[str], ...] = (
    ["cat", "sat", "mat"],
    ["cat", "cat", "dog", "dog", "dog"],
    [],
    ["bird"],
    ["cat", "sat", "mat"],
    ["서울", "수도", "대한민국"],
    ["fish", "fish"],
)

TERMS = ["cat", "dog", "sat", "mat", "서울"]


def random_documents(passages: int, terms: int, seed: int = 0) -> list[list[str]]:
    """Return passages of 0 to 12 terms, of which the first are the most frequent."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 13, passages)
    numbers = (generator.geometric(min(0.5, 5 / terms), length) for length in lengths)
    return [[f"t{min(terms, number)}" for number in passage] for passage in numbers]


def hits(top: TopK, question: int = 0) -> list[int]:
    """Return the rows of a question's hits, without the padding."""
    rows = top.rows[question]
    return [int(row) for row in rows if row >= 0]


class SparseIndexContract:
    """Each test calls ``open`` for an index over passages given as terms."""

    def open(self, counts: TermCounts, id_rank: IntArray | None = None) -> SparseIndex:
        raise AssertionError("the implementation's tests say how it is opened")

    def build(self, documents: Sequence[Sequence[str]], id_rank: Sequence[int] | None = None) -> SparseIndex:
        return self.open(TermCounts.build(documents), None if id_rank is None else np.array(id_rank))

    def test_the_result_has_one_line_of_k_for_each_question(self) -> None:
        top = self.build(DOCUMENTS).search([["cat"], ["fish"], ["bird"]], 4)
        assert top.rows.shape == top.scores.shape == (3, 4)
        assert top.rows.dtype == np.int64
        assert top.scores.dtype == np.float32

    def test_hits_are_the_passages_that_share_a_term(self) -> None:
        top = self.build(DOCUMENTS).search([["서울", "fish"], ["cat"], ["bird"]], 7)
        assert [sorted(hits(top, question)) for question in range(3)] == [[5, 6], [0, 1, 4], [3]]

    def test_padding_follows_the_hits(self) -> None:
        top = self.build(DOCUMENTS).search([["fish"]], 9)
        assert top.rows[0].tolist() == [6] + [-1] * 8
        assert np.isneginf(top.scores[0, 1:]).all()
        assert np.isfinite(top.scores[0, 0])

    def test_unknown_terms_and_empty_questions_find_nothing(self) -> None:
        top = self.build(DOCUMENTS).search([["unheard"], [], ["unheard", "bird"]], 3)
        assert [hits(top, question) for question in range(3)] == [[], [], [3]]

    def test_unknown_terms_change_no_order(self) -> None:
        index = self.build(random_documents(80, 12))
        with_unknown = index.search([["t1", "unheard", "t2", "unheard"]], 20)
        assert with_unknown.rows.tolist() == index.search([["t1", "t2"]], 20).rows.tolist()

    def test_coverage_is_the_share_of_the_terms_weight_that_a_passage_has(self) -> None:
        index = self.build(DOCUMENTS)

        def idf(passages: int) -> float:
            return math.log(1 + (7 - passages + 0.5) / (passages + 0.5))

        questions = [
            ["cat", "dog"],
            ["cat", "dog", "dog"],
            ["cat", "unheard"],
            ["unheard"],
            [],
            ["수도", "서울"],
            ["cat"],
        ]
        rows = np.array([0, 0, 4, 3, 3, 5, -1])
        shares = [idf(3) / (idf(3) + idf(1))] * 2 + [idf(3) / (idf(3) + idf(0)), 0, 0, 1, 0]
        assert index.coverage(questions, rows).tolist() == pytest.approx(shares)
        assert index.coverage([], np.array([], dtype=np.int64)).shape == (0,)

    def test_a_passage_with_every_term_covers_all_and_the_order_of_terms_is_nothing(self) -> None:
        documents = [document for document in random_documents(60, 20) if document]
        index = self.build(documents)
        rows = np.arange(len(documents))
        assert index.coverage(documents, rows).tolist() == [1.0] * len(documents)
        questions = [[*document, "unheard", "t1"] for document in documents]
        backwards = [terms[::-1] for terms in questions]
        assert index.coverage(questions, rows).tolist() == index.coverage(backwards, rows).tolist()

    def test_the_shares_of_the_terms_add_up_to_the_score(self) -> None:
        @given(
            st.lists(st.lists(st.sampled_from(TERMS), max_size=8), min_size=1, max_size=12),
            st.lists(st.sampled_from([*TERMS, "unheard"]), max_size=6),
        )
        def check(documents: list[list[str]], question: list[str]) -> None:
            index = self.build(documents)
            top = index.search([question], len(documents))
            score_of = dict(zip(top.rows[0].tolist(), top.scores[0].tolist(), strict=True))
            for row, document in enumerate(documents):
                shares = index.shares(question, row)
                total = math.fsum(share.share for share in shares)
                assert total == pytest.approx(score_of.get(row, 0.0), rel=1e-5, abs=1e-6)
                assert {share.term: share.question_count for share in shares} == Counter(question)
                assert {share.term: share.count for share in shares} == {
                    term: document.count(term) for term in question
                }
                assert all(share.share == 0 for share in shares if not share.count)
                frequencies = {term: sum(term in other for other in documents) for term in question}
                assert {share.term: share.document_frequency for share in shares} == frequencies
                assert shares == sorted(shares, key=lambda share: (-share.share, share.term))

        check()

    def test_a_share_grows_with_the_questions_repeats(self) -> None:
        index = self.build(DOCUMENTS)
        once, twice = index.shares(["dog", "sat"], 1), index.shares(["dog", "sat", "dog"], 1)
        assert [share.term for share in once] == [share.term for share in twice] == ["dog", "sat"]
        assert twice[0].share > once[0].share > 0
        assert (twice[0].question_count, twice[0].count, twice[1].share) == (2, 3, 0.0)

    def test_no_questions_have_no_result(self) -> None:
        assert self.build(DOCUMENTS).search([], 3).rows.shape == (0, 3)

    def test_no_passages_have_no_hits(self) -> None:
        assert hits(self.build([]).search([["cat"]], 3)) == []

    def test_passages_without_terms_have_no_hits(self) -> None:
        assert hits(self.build([[], []]).search([["cat"]], 3)) == []

    def test_scores_fall_and_equal_ones_are_in_row_order(self) -> None:
        top = self.build(random_documents(200, 15)).search([["t1", "t3", "t3"], ["t2"], ["t9", "t15"]], 50)
        for rows, scores in zip(top.rows, top.scores, strict=True):
            actual = rows >= 0
            assert len(set(rows[actual].tolist())) == actual.sum()
            order = np.lexsort((rows[actual], -scores[actual]))
            assert order.tolist() == list(range(len(order)))

    @pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
    def test_equal_scores_are_ordered_by_id_rank_also_at_the_kth_place(self, k: int) -> None:
        id_rank = [5, 2, 7, 0, 6, 1, 4, 3]
        top = self.build([["same", "words"]] * 8 + [["other"]] * 20, [*id_rank, *range(8, 28)]).search([["same"]], k)
        assert [id_rank[row] for row in hits(top)] == list(range(k))

    def test_k_changes_only_where_the_list_ends(self) -> None:
        index = self.build(random_documents(150, 10))
        question = [["t1", "t2", "t8"]]
        longest = index.search(question, 150).rows[0]
        for k in (1, 7, 40):
            assert index.search(question, k).rows[0].tolist() == longest[:k].tolist()

    def test_a_question_is_answered_the_same_in_any_batch(self) -> None:
        index = self.build(random_documents(120, 20))
        questions = [[f"t{number % 20}", f"t{number % 7}", f"t{number % 3}"] for number in range(75)]
        together = index.search(questions, 10)
        for position in (0, 15, 16, 74):
            alone = index.search([questions[position]], 10)
            np.testing.assert_array_equal(alone.rows[0], together.rows[position])
            np.testing.assert_array_equal(alone.scores[0], together.scores[position])

    def test_threads_may_search_at_once(self) -> None:
        index = self.build(random_documents(120, 20))
        questions = [[f"t{number % 20}", f"t{number % 9}"] for number in range(40)]
        expected = index.search(questions, 10)
        with ThreadPoolExecutor(4) as pool:
            for top in pool.map(lambda _: index.search(questions, 10), range(8)):
                np.testing.assert_array_equal(top.rows, expected.rows)
                np.testing.assert_array_equal(top.scores, expected.scores)

    @pytest.mark.parametrize("k", [0, -1])
    def test_k_below_one_is_refused(self, k: int) -> None:
        with pytest.raises(RequestError, match=f"k is {k}") as refusal:
            self.build(DOCUMENTS).search([["cat"]], k)
        assert refusal.value.field == "k"

    def test_id_ranks_of_other_passages_are_refused(self) -> None:
        with pytest.raises(IndexFormatError, match=r"id ranks have the shape \(3,\), but there are 7 passages"):
            self.build(DOCUMENTS, [0, 1, 2])
