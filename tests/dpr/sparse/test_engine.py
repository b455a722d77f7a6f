from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi
from sklearn.feature_extraction.text import TfidfVectorizer

from dpr.errors import ConfigError, IndexFormatError
from dpr.sparse import kernel
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.sparse.scheme import SCHEMES
from dpr.types import FloatArray, IntArray, RankArray, SparseIndex, TopK
from tests.dpr.sparse.contract import SparseIndexContract, hits, random_documents

DOCUMENTS = random_documents(300, 40)
QUESTIONS = [["t1", "t7", "t7"], ["t2", "unheard"], ["t40", "t39", "t38", "t1"], ["t3"]]


def engine(counts: TermCounts, scheme: str, id_rank: RankArray | None = None) -> SparseEngine:
    return SparseEngine([SparseSegment.alone(counts, scheme, id_rank)], scheme)


def weighed(
    counts: TermCounts, weights: FloatArray, id_rank: RankArray | None = None, threads: int | None = None
) -> SparseEngine:
    segment = SparseSegment(counts, weights, counts.document_frequencies, id_rank)
    return SparseEngine([segment], threads=threads)


class TestOkapi(SparseIndexContract):
    def open(self, counts: TermCounts, id_rank: IntArray | None = None) -> SparseIndex:
        return engine(counts, "bm25", id_rank)


class TestLucene(SparseIndexContract):
    def open(self, counts: TermCounts, id_rank: IntArray | None = None) -> SparseIndex:
        return engine(counts, "bm25-lucene", id_rank)


class TestTfidf(SparseIndexContract):
    def open(self, counts: TermCounts, id_rank: IntArray | None = None) -> SparseIndex:
        return engine(counts, "tfidf", id_rank)


def reference_scores(scheme: str, documents: Sequence[Sequence[str]], question: Sequence[str]) -> list[float]:
    """Return every passage's score by the reference library of a scheme."""
    if scheme == "tfidf":
        vectorizer = TfidfVectorizer(analyzer=lambda terms: terms)
        passages = vectorizer.fit_transform(documents)
        scores = (passages @ vectorizer.transform([question]).T).toarray()[:, 0]
    elif scheme == "bm25":
        scores = BM25Okapi(documents, k1=1.2, b=0.75).get_scores(question)
    else:
        lucene = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        lucene.index(documents, show_progress=False)
        scores = lucene.get_scores(list(question))
    return [float(score) for score in scores]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_scores_are_those_of_the_reference_library(scheme: str, question: list[str]) -> None:
    top = engine(TermCounts.build(DOCUMENTS), scheme).search([question], len(DOCUMENTS))
    expected = reference_scores(scheme, DOCUMENTS, question)
    sharing = [row for row, document in enumerate(DOCUMENTS) if set(document) & set(question)]
    assert sorted(hits(top)) == sharing
    actual = top.scores[0, : len(sharing)]
    np.testing.assert_allclose(actual, [expected[row] for row in hits(top)], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(actual, sorted((expected[row] for row in sharing), reverse=True), rtol=1e-5, atol=1e-5)


def brute_force(counts: TermCounts, weights: FloatArray, terms: Sequence[int], rank: IntArray, k: int) -> TopK:
    """Return what the kernel must find for a question of different terms, each of factor 1; no row of negative rank."""
    scores = np.zeros(len(counts.lengths), dtype=np.float32)
    is_hit = np.zeros(len(counts.lengths), dtype=bool)
    for term in sorted(terms, key=lambda term: (counts.document_frequencies[term], term)):
        span = slice(counts.indptr[term], counts.indptr[term + 1])
        scores[counts.rows[span]] += weights[span]
        is_hit[counts.rows[span]] = True
    rows = np.flatnonzero(is_hit & (rank >= 0))
    best = rows[np.lexsort((rank[rows], -scores[rows]))[:k]]
    return TopK(best, scores[best])


@given(st.data())
def test_top_k_is_brute_force_for_any_weights(data: st.DataObject) -> None:
    documents = data.draw(st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), min_size=1, max_size=30))
    counts = TermCounts.build(documents)
    weight = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 1.5])  # few values, so that scores tie and cancel
    weights = np.array(data.draw(st.lists(weight, min_size=counts.rows.size, max_size=counts.rows.size)), np.float32)
    rank = np.array(data.draw(st.permutations(range(len(documents)))))
    question = data.draw(st.lists(st.sampled_from(list(counts.vocabulary) or ["a"]), unique=True))
    k = data.draw(st.integers(1, 35))
    top = weighed(counts, weights, rank).search([question], k)
    known_terms = [number for number in counts.vocabulary.lookup(question).tolist() if number >= 0]
    expected = brute_force(counts, weights, known_terms, rank, k)
    assert hits(top) == expected.rows.tolist()
    assert top.scores[0, : len(expected.rows)].tolist() == expected.scores.tolist()


def test_passages_of_no_or_negative_score_are_hits_too() -> None:
    counts = TermCounts.build([["a", "b"], ["a"], ["b"], ["c"]])
    weights = np.array([0.0, -1.0, 0.0, -2.0, 5.0], dtype=np.float32)  # a: rows 0, 1; b: rows 0, 2; c: row 3
    top = weighed(counts, weights).search([["a", "b"]], 4)
    assert hits(top) == [0, 1, 2]
    assert top.scores[0, :3].tolist() == [0.0, -1.0, -2.0]


def test_files_are_searched_where_they_are(tmp_path: Path) -> None:
    counts = TermCounts.build(DOCUMENTS)
    counts.save(tmp_path)
    np.save(tmp_path / "bm25.npy", SCHEMES["bm25"].weights(counts))
    np.save(tmp_path / "id_rank.npy", np.arange(len(DOCUMENTS), dtype=np.int32)[::-1])
    weights = np.load(tmp_path / "bm25.npy", mmap_mode="r")
    rank = np.load(tmp_path / "id_rank.npy", mmap_mode="r")
    reopened = weighed(TermCounts.open(tmp_path), weights, rank)
    wanted = engine(counts, "bm25", np.array(rank, dtype=np.int64))
    for actual, expected in zip(
        map(np.asarray, reopened._search.segments[0]), map(np.asarray, wanted._search.segments[0]), strict=True
    ):
        assert not actual.flags.writeable
        assert actual.dtype == expected.dtype
    assert np.shares_memory(reopened._search.segments[0].weights, weights)
    assert np.shares_memory(reopened._search.segments[0].id_rank, rank)
    np.testing.assert_array_equal(reopened.search(QUESTIONS, 20).rows, wanted.search(QUESTIONS, 20).rows)


def test_the_search_is_compiled_once_for_all_arrays_and_depths(tmp_path: Path) -> None:
    counts = TermCounts.build(DOCUMENTS)
    counts.save(tmp_path)
    rank = np.arange(len(DOCUMENTS))
    for reopened in (counts, TermCounts.open(tmp_path)):
        for id_rank in (None, rank, rank.astype(np.int32)):
            for k in (1, 10, 2 * len(DOCUMENTS)):
                for questions in (QUESTIONS * 10, [], [["unheard"]]):
                    engine(reopened, "bm25", id_rank).search(questions, k)
    assert len(vars(kernel)["search"].signatures) == 1


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    counts = TermCounts.build(DOCUMENTS)
    weights = SCHEMES["bm25"].weights(counts)
    actual = weighed(counts, weights, threads=threads).search(QUESTIONS * 20, 10)
    np.testing.assert_array_equal(actual.rows, np.tile(engine(counts, "bm25").search(QUESTIONS, 10).rows, (20, 1)))


def test_an_unknown_scheme_is_refused() -> None:
    counts = TermCounts.build(DOCUMENTS)
    with pytest.raises(ConfigError, match="unknown sparse scheme 'bm26'; choose from bm25, bm25-lucene, tfidf"):
        SparseEngine([SparseSegment.alone(counts)], "bm26")


def test_weights_of_other_counts_are_refused() -> None:
    counts = TermCounts.build(DOCUMENTS)
    with pytest.raises(IndexFormatError, match="build the index again"):
        weighed(counts, SCHEMES["bm25"].weights(counts)[1:])
