"""What every retriever promises, whatever it searches with: run by dense, sparse, fused and reranked ones alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from dpr.errors import ConfigError, RequestError
from dpr.filters import Filter
from dpr.search.contract import Retriever
from dpr.search.fusion import MISSING_RULES, Fusion
from dpr.search.reranking import Reranked
from dpr.search.retrievers import DenseRetriever, HybridRetriever, SparseRetriever, refuse_bad_k
from dpr.types import (
    DoubleArray,
    FloatArray,
    Hit,
    IntArray,
    ListScore,
    Passage,
    RankArray,
    SparseIndex,
    TermShare,
    TopK,
    VectorIndex,
)
from tests.fakes import HashEncoder, WordAnalyzer

PASSAGES = [
    Passage(f"p{number}", text)
    for number, text in enumerate(["the cat sat", "a dog ran", "the cat and the dog", "a fish swam", "서울 은 수도"])
]
QUESTIONS = ["cat", "dog ran", "서울", "nothing of this"]


def best(scores: FloatArray, held: np.ndarray[tuple[int, int], np.dtype[np.bool_]], k: int) -> TopK:
    """Return the k best held rows of scores (Q, P), equal ones by row."""
    shown = np.where(held, scores, -np.inf).astype(np.float32)
    order: IntArray = np.argsort(-shown, axis=1, kind="stable")[:, :k]
    actual = np.take_along_axis(shown, order, 1)
    return TopK(np.where(np.isfinite(actual), order, -1), actual)


class ExactVectors:
    """A VectorIndex by brute force."""

    def __init__(self, vectors: FloatArray) -> None:
        self.vectors = vectors

    def search(self, questions: FloatArray, k: int) -> TopK:
        scores = (questions[:, None] * self.vectors).sum(axis=2)  # (Q, P); BLAS would round by the batch's shape
        return best(scores, np.ones(scores.shape, dtype=np.bool_), k)

    def selecting(self, id_rank: RankArray, condition: Filter | None = None) -> VectorIndex:
        raise NotImplementedError


class SharedTerms:
    """A SparseIndex that scores by the number of shared terms."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self.documents = [set(terms) for terms in documents]
        self.depths: list[int] = []

    def search(self, questions: Sequence[Sequence[str]], k: int) -> TopK:
        self.depths.append(k)
        shape = len(questions), len(self.documents)
        scores = np.zeros(shape, dtype=np.float32)
        for number, terms in enumerate(questions):
            scores[number] = [len(document.intersection(terms)) for document in self.documents]
        return best(scores, scores > 0, k)

    def selecting(self, id_rank: RankArray) -> SparseIndex:
        raise NotImplementedError

    def frequencies(self, terms: Sequence[str]) -> IntArray:
        return np.array([sum(term in document for document in self.documents) for term in terms], dtype=np.int64)

    def shares(self, question: Sequence[str], row: int) -> list[TermShare]:
        counts = {term: int(term in self.documents[row]) for term in sorted(set(question))}
        frequencies = self.frequencies(list(counts)).tolist()
        repeats = Counter(question)
        return [
            TermShare(term, float(count), count, repeats[term], frequency)
            for (term, count), frequency in zip(counts.items(), frequencies, strict=True)
        ]

    def coverage(self, questions: Sequence[Sequence[str]], rows: IntArray) -> DoubleArray:
        """Return the share of the different terms that a passage has, each with the same weight."""
        pairs = zip(questions, rows.tolist(), strict=True)
        return np.array(
            [len(set(terms) & self.documents[row]) / len(set(terms)) if row >= 0 else 0 for terms, row in pairs]
        )


def passage_id(row: int) -> str:
    return PASSAGES[row].id


def passages_of(rows: Sequence[int]) -> list[Passage]:
    return [PASSAGES[row] for row in rows]


class TextLength:
    """A reranker that prefers long texts."""

    name = "text-length"

    def score(self, questions: Sequence[str], passages: Sequence[Passage]) -> FloatArray:
        return np.array([len(passage.text) for passage in passages], dtype=np.float32)


def dense() -> DenseRetriever:
    encoder = HashEncoder()
    return DenseRetriever(encoder, ExactVectors(encoder.encode_passages(PASSAGES)), passage_id)


def sparse() -> SparseRetriever:
    analyzer = WordAnalyzer()
    index = SharedTerms(list(analyzer.batch(passage.text for passage in PASSAGES)))
    return SparseRetriever("bm25", analyzer, index, passage_id)


def hybrid() -> HybridRetriever:
    return HybridRetriever({"dense": dense(), "bm25": sparse()}, passage_id, Fusion(depth=4))


class LastLetter(Retriever):
    """A retriever with nothing but a search: passages that end like the question, by id."""

    name = "last-letter"

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        refuse_bad_k(k)
        return [self._hits(question)[:k] for question in questions]

    def _hits(self, question: str) -> list[Hit]:
        rows = [row for row, passage in enumerate(PASSAGES) if passage.text[-1] == question[-1]]
        return [
            Hit(row, passage_id(row), rank, 1.0, {self.name: ListScore(rank, 1.0, 1.0)})
            for rank, row in enumerate(rows, start=1)
        ]


def reranked() -> Reranked:
    return Reranked(hybrid(), TextLength(), passages_of, depth=3)


@pytest.fixture(
    params=[dense, sparse, hybrid, LastLetter, reranked], ids=["dense", "bm25", "hybrid", "last-letter", "reranked"]
)
def retriever(request: pytest.FixtureRequest) -> Retriever:
    made: Retriever = request.param()
    return made


class TestEveryRetriever:
    def test_hits_are_ranked_from_one_and_ordered(self, retriever: Retriever) -> None:
        actual = retriever.search(QUESTIONS, 3)
        assert len(actual) == len(QUESTIONS)
        for hits in actual:
            assert len(hits) <= 3
            assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
            assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.passage_id))
            assert all(hit.passage_id == passage_id(hit.row) for hit in hits)

    def test_the_parts_of_a_score_add_up(self, retriever: Retriever) -> None:
        for hits in retriever.search(QUESTIONS, 4):
            for hit in hits:
                score = hit.first_stage.score if hit.first_stage else hit.score
                assert sum(part.contribution for part in hit.lists.values()) == pytest.approx(score)
                assert all((part.rank is None) == (part.score is None) for part in hit.lists.values())

    @pytest.mark.parametrize("question", QUESTIONS)
    def test_an_explanation_says_what_the_hit_says(self, retriever: Retriever, question: str) -> None:
        hits = {hit.row: hit for hit in retriever.search([question], 3)[0]}
        for row in range(len(PASSAGES)):
            explanation, hit = retriever.explain(question, row), hits.get(row)
            if hit is None:
                assert explanation.rank is None or explanation.rank > 3
                continue
            assert (explanation.rank, explanation.first_stage) == (hit.rank, hit.first_stage)
            assert (explanation.retriever, set(explanation.lists)) == (retriever.name, set(hit.lists))
            assert explanation.score == pytest.approx(hit.score)
            for name, entry in explanation.lists.items():
                assert entry.rank == hit.lists[name].rank
                contribution = entry.fused.contribution if entry.fused else entry.score
                assert contribution == pytest.approx(hit.lists[name].contribution)

    def test_plain_numbers_come_out(self, retriever: Retriever) -> None:
        hit = retriever.search(["cat"], 1)[0][0]
        assert (type(hit.row), type(hit.rank), type(hit.score)) == (int, int, float)
        assert all(type(part.contribution) is float for part in hit.lists.values())

    def test_more_hits_begin_with_fewer(self, retriever: Retriever) -> None:
        assert [hits[:2] for hits in retriever.search(QUESTIONS, 4)] == retriever.search(QUESTIONS, 2)

    def test_a_batch_gives_what_each_question_alone_gives(self, retriever: Retriever) -> None:
        assert retriever.search(QUESTIONS, 3) == [retriever.search([question], 3)[0] for question in QUESTIONS]

    def test_no_question_gives_no_result(self, retriever: Retriever) -> None:
        assert retriever.search([], 3) == []

    def test_arrays_say_what_hits_say(self, retriever: Retriever) -> None:
        top = retriever.top_k(QUESTIONS, 3)
        assert top.rows.shape == top.scores.shape == (len(QUESTIONS), 3)
        for rows, scores, hits in zip(top.rows, top.scores, retriever.search(QUESTIONS, 3), strict=True):
            assert [row for row in rows.tolist() if row >= 0] == [hit.row for hit in hits]
            assert scores[: len(hits)].tolist() == pytest.approx([hit.score for hit in hits])
        assert top.coverage is None or ((top.coverage >= 0) & (top.coverage <= 1)).all()

    def test_a_retriever_can_be_fused_with_another(self, retriever: Retriever) -> None:
        fused = HybridRetriever({"one": retriever, "bm25": sparse()}, passage_id, Fusion(depth=3))
        rows = {hit.row for hit in retriever.search(["cat"], 3)[0]}
        listed = {hit.row for hit in fused.search(["cat"], 3)[0] if hit.lists["one"].rank}
        assert listed <= rows
        assert rows == set() or listed

    def test_it_says_how_many_tokens_are_read_or_that_none_are(self, retriever: Retriever) -> None:
        assert retriever.tokens_read("cat") is None  # no model of these reads tokens

    @pytest.mark.parametrize("k", [0, -1])
    def test_k_starts_at_one(self, retriever: Retriever, k: int) -> None:
        with pytest.raises(RequestError, match=f"k is {k}") as caught:
            retriever.search(["cat"], k)
        assert caught.value.field == "k"


def test_dense_finds_the_passage_of_the_question_itself() -> None:
    hit = dense().search(["a fish swam"], 1)[0][0]
    assert (hit.passage_id, set(hit.lists)) == ("p3", {"dense"})
    assert hit.lists["dense"].score == hit.score


def test_sparse_returns_only_passages_that_share_a_term() -> None:
    assert [hit.passage_id for hit in sparse().search(["cat"], 5)[0]] == ["p0", "p2"]
    assert sparse().search(["nothing of this"], 5) == [[]]


def test_hybrid_candidates_do_not_depend_on_k() -> None:
    analyzer = WordAnalyzer()
    index = SharedTerms(list(analyzer.batch(passage.text for passage in PASSAGES)))
    fused = HybridRetriever({"bm25": SparseRetriever("bm25", analyzer, index, passage_id)}, passage_id, Fusion(depth=4))
    fused.search(["cat"], 1)
    fused.search(["cat"], 4)
    assert index.depths == [4, 4]


def test_hybrid_tells_what_each_list_said() -> None:
    hits = {hit.passage_id: hit for hit in hybrid().search(["서울"], 4)[0]}
    assert set(hits["p4"].lists) == {"dense", "bm25"}
    assert hits["p4"].lists["bm25"].rank == 1
    absent = next(hit for hit in hits.values() if hit.passage_id != "p4").lists["bm25"]
    assert (absent.rank, absent.score) == (None, None)
    assert absent.contribution < 0 < hits["p4"].lists["bm25"].contribution


def test_hybrid_states_its_missing_rule() -> None:
    assert hybrid().fusion.missing_rule == MISSING_RULES["zscore"]


def test_hybrid_weighs_each_question_of_a_batch_by_what_bm25_covers_of_it() -> None:
    sources: dict[str, Retriever] = {"dense": dense(), "bm25": sparse()}
    noticing = HybridRetriever(
        sources, passage_id, Fusion(weights={"dense": 0.4, "bm25": 0.6}, coverage_power=2.0, depth=4)
    )
    questions = ["dog ran", "서울 a cat", "who ate the cat", "nothing of this"]
    for question, share, hits in zip(questions, (1.0, 1 / 3, 1 / 2, 0.0), noticing.search(questions, 4), strict=True):
        weighing = hits[0].weighing
        assert weighing is not None
        assert weighing.coverage == {"bm25": pytest.approx(share)}
        known = 0.6 * share**2
        weights = {"dense": 0.4 / (0.4 + known), "bm25": known / (0.4 + known)}
        assert weighing.weights == {name: pytest.approx(weight) for name, weight in weights.items()}
        constant = HybridRetriever(sources, passage_id, Fusion(weights=weights, depth=4)).search([question], 4)[0]
        assert [hit.row for hit in constant] == [hit.row for hit in hits]
        assert [hit.score for hit in constant] == pytest.approx([hit.score for hit in hits])


def test_the_hits_of_a_single_list_have_no_weighing() -> None:
    assert [hit.weighing for hit in sparse().search(["cat"], 2)[0]] == [None, None]


def test_hybrid_refuses_more_hits_than_candidates() -> None:
    with pytest.raises(RequestError, match="k is 5: the retriever fuses 4 candidates") as caught:
        hybrid().search(["cat"], 5)
    assert caught.value.field == "k"


def test_hybrid_refuses_weights_of_other_lists_when_made() -> None:
    with pytest.raises(RequestError, match="weights are given for dense, tfidf") as caught:
        HybridRetriever({"dense": dense(), "bm25": sparse()}, passage_id, Fusion(weights={"dense": 0.5, "tfidf": 0.5}))
    assert caught.value.field == "weights"


def test_hybrid_needs_a_source() -> None:
    with pytest.raises(ConfigError, match="no source"):
        HybridRetriever({}, passage_id)
