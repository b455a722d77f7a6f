"""Reranking: what the reranker reads, the order that it makes, and what is left as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dpr.errors import ConfigError, ModelError, RequestError
from dpr.measured import TokensRead
from dpr.models.cross_encoder import load_cross_encoder
from dpr.search.contract import Reranker, Retriever
from dpr.search.fusion import Fusion
from dpr.search.open import OpenIndex, open_index
from dpr.search.registry import plain_name, reranked_name
from dpr.search.reranking import Reranked, RerankOptions
from dpr.search.retrievers import HybridRetriever
from dpr.types import FloatArray, Hit, ListScore, Passage, PassageWindow
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES as INDEXED
from tests.small_index import small_index
from tests.tiny_models import make_cross_encoder

PASSAGES = [Passage(name, f"{name} text {name * 3}") for name in ("e", "d", "c", "b", "a")]


class Listed(Retriever):
    """Finds all passages in their order, with falling scores; a question of two words finds none."""

    name = "bm25"

    def __init__(self, window: PassageWindow | None = None) -> None:
        self.window = window
        self.asked: list[int] = []

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        self.asked.append(k)
        hits = [
            Hit(row, passage.id, row + 1, 9.0 - row, {"bm25": ListScore(row + 1, 9.0 - row, 9.0 - row)})
            for row, passage in enumerate(PASSAGES)
        ]
        hits[0] = Hit(0, "e", 1, 9.0, hits[0].lists, window=self.window)
        return [[] if " " in question else hits[:k] for question in questions]

    def tokens_read(self, question: str) -> TokensRead:
        return TokensRead(3, len(question))


class Scored:
    """Scores passages as it is told, by id; keeps what it read."""

    name = "scored"

    def __init__(self, **scores: float) -> None:
        self.scores = scores
        self.pairs: list[tuple[str, Passage]] = []

    def score(self, questions: Sequence[str], passages: Sequence[Passage]) -> FloatArray:
        self.pairs += zip(questions, passages, strict=True)
        return np.array([self.scores.get(passage.id, 0.0) for passage in passages], dtype=np.float32)


def reranked(reranker: Reranker, depth: int = 3, retriever: Retriever | None = None) -> Reranked:
    return Reranked(retriever or Listed(), reranker, lambda rows: [PASSAGES[row] for row in rows], depth)


def order(hits: Sequence[Hit]) -> str:
    return "".join(hit.passage_id for hit in hits)


def test_a_reranked_fusion_fuses_as_its_first_stage() -> None:
    hybrid = HybridRetriever({"bm25": Listed()}, lambda row: PASSAGES[row].id, Fusion("rrf"))
    assert reranked(Scored(), retriever=hybrid).fusion == Fusion("rrf", {"bm25": 1.0})
    assert reranked(Scored()).fusion is None


def test_the_first_hits_are_ordered_by_the_reranker_and_the_others_follow() -> None:
    [hits] = reranked(Scored(c=2.0, d=1.0, a=99.0)).search(["q"], 5)
    assert order(hits) == "cdeba"
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    # b and a were 3 and 4 below the best first-stage score, and so are below the reranker's lowest
    assert [hit.score for hit in hits] == [2.0, 1.0, 0.0, -3.0, -4.0]


def test_a_hit_says_its_first_stage_and_the_score_of_the_reranker() -> None:
    [hits] = reranked(Scored(c=2.0)).search(["q"], 4)
    stages = [hit.first_stage for hit in hits]
    assert [(stage.rank, stage.score, stage.reranker_score) for stage in stages if stage] == [
        (3, 7.0, 2.0),
        (2, 8.0, 0.0),
        (1, 9.0, 0.0),
        (4, 6.0, None),
    ]
    assert hits[0].lists == {"bm25": ListScore(3, 7.0, 7.0)}


def test_equal_scores_are_ordered_by_passage_id() -> None:
    [hits] = reranked(Scored(), depth=5).search(["q"], 5)
    assert order(hits) == "abcde"


@pytest.mark.parametrize(("k", "asked"), [(1, 3), (3, 3), (5, 5)])
def test_the_depth_is_reranked_whatever_k_is(k: int, asked: int) -> None:
    retriever, reranker = Listed(), Scored(c=2.0, d=1.0)
    [hits] = reranked(reranker, 3, retriever).search(["q"], k)
    assert order(hits) == "cdeba"[:k]
    assert retriever.asked == [asked]
    assert len(reranker.pairs) == 3


def test_fewer_hits_than_the_depth_are_all_reranked() -> None:
    [hits] = reranked(Scored(a=5.0), depth=100).search(["q"], 2)
    assert order(hits) == "ab"


def test_a_batch_is_scored_together_and_a_question_without_hits_stays_without() -> None:
    reranker = Scored(c=2.0)
    first, none, second = reranked(reranker, 2).search(["q", "two words", "r"], 2)
    assert (order(first), none, order(second)) == ("de", [], "de")
    assert [question for question, _ in reranker.pairs] == ["q", "q", "r", "r"]
    assert reranked(reranker).search(["two words"], 2) == [[]]


def test_of_a_long_passage_the_matched_window_is_read() -> None:
    reranker = Scored()
    [hits] = reranked(reranker, 2, Listed(PassageWindow(2, 6))).search(["q"], 2)
    assert [passage.text for _, passage in reranker.pairs] == ["text", PASSAGES[1].text]
    assert [hit.window for hit in hits] == [None, PassageWindow(2, 6)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ModelError, match="the reranker scored returns scores that are not finite; use precision"):
        reranked(Scored(d=bad)).search(["q"], 1)


def test_it_reads_of_a_question_what_the_first_stage_reads() -> None:
    assert reranked(Scored()).tokens_read("a question") == TokensRead(3, 10)


def test_names() -> None:
    assert reranked(Scored()).name == "bm25+rerank"
    assert reranked_name("hybrid") == reranked_name("hybrid+rerank") == "hybrid+rerank"
    assert plain_name("hybrid+rerank") == plain_name("hybrid") == "hybrid"


@pytest.mark.parametrize(
    ("model", "depth", "sentence"),
    [
        ("x", 0, "the rerank depth is 0; choose 1 to 100"),
        ("x", 101, "the rerank depth is 101; choose 1 to 100"),
        (" ", 20, "the reranker has no name; give its folder or hub name"),
        ("cross-encoder:", 20, "the reranker has no name"),
        ("colbert:x/y", 20, "unknown reranker type 'colbert'; choose from cross-encoder"),
    ],
)
def test_wrong_options_are_refused(model: str, depth: int, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        RerankOptions(model, depth)


def test_a_folder_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    options = RerankOptions(str(tmp_path / "a:b"))
    assert options.type_and_name == ("cross-encoder", str(tmp_path / "a:b"))
    assert RerankOptions("cross-encoder:x").type_and_name == ("cross-encoder", "x")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reranking") / "index"
    small_index(root)
    return root


def opened(root: Path, rerank: RerankOptions | None = None) -> OpenIndex:
    return open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer(), rerank=rerank)


def test_an_index_reranks_each_of_its_retrievers_by_a_cross_encoder(
    published: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path)
    index, model = opened(published, RerankOptions(str(folder), 4, "fp32", "torch")), load_cross_encoder(folder, "fp32")
    passages = {passage.id: passage for passage in INDEXED}
    for name in index.names:
        [hits] = index.retriever(f"{name}+rerank").search(["capital of France"], 3)
        [first] = index.retriever(name).search(["capital of France"], 4)
        expected = model.score(["capital of France"] * len(first), [passages[hit.passage_id] for hit in first])
        best = sorted(zip(-expected, (hit.passage_id for hit in first), strict=True))[:3]
        assert [hit.passage_id for hit in hits] == [passage_id for _, passage_id in best]
        assert [hit.score for hit in hits] == pytest.approx([-score for score, _ in best], abs=1e-5)


def test_a_fusion_reaches_the_retriever_that_is_reranked(
    published: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    index = opened(published, RerankOptions(str(make_cross_encoder(tiny_checkpoint, tmp_path))))
    fusion = Fusion("rrf", {"dense": 0.1, "bm25": 0.9})
    [hits] = index.retriever("hybrid+rerank", fusion).search(["capital of France"], 2)
    scores = {
        hit.passage_id: hit.score for hit in index.retriever("hybrid", fusion).search(["capital of France"], 6)[0]
    }
    assert all(hit.first_stage and hit.first_stage.score == scores[hit.passage_id] for hit in hits)
    with pytest.raises(RequestError, match="'bm25' fuses no lists"):
        index.retriever("bm25+rerank", fusion)


def test_an_index_without_a_reranker_says_so(published: Path) -> None:
    with pytest.raises(RequestError, match="there is no reranker for the hits of 'hybrid'; set one with") as caught:
        opened(published).retriever("hybrid+rerank")
    assert caught.value.field == "rerank"


def test_a_missing_model_is_one_sentence(published: Path, tmp_path: Path) -> None:
    index = opened(published, RerankOptions(str(tmp_path / "absent")))
    assert index.retriever("bm25").search(["capital"], 1)
    with pytest.raises(ModelError, match=r"there is no folder .*absent") as caught:
        index.retriever("bm25+rerank")
    assert "\n" not in str(caught.value)


def test_an_unknown_retriever_stays_unknown_when_it_is_to_be_reranked(published: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="unknown retriever 'doc2query'"):
        opened(published, RerankOptions(str(tmp_path))).retriever("doc2query+rerank")
