"""Explanations over indexes on disk: what they say is what retrieval said, and their numbers add up."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.errors import RequestError, UnknownPassageError
from dpr.pipeline import QA
from dpr.search.fusion import METHODS, Fusion
from dpr.search.open import open_index
from dpr.search.registry import RERANKERS
from dpr.search.reranking import RerankOptions
from dpr.store.windows import WindowRule
from dpr.types import Explanation, Passage
from index_builder.from_python import add_passages, delete_passages
from tests import toy_reranker
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index

WORDS = [
    "capital",
    "of",
    "Paris",
    "Rome",
    "is",
    "Korea",
    "한국",
    "the",
    "서울은",
    "수도이다",
    "dish",
    "Python",
    "unheard",
]
QUESTIONS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
SPARSE = ["bm25", "tfidf", "rank-bm25"]
RETRIEVERS = ["dense", *SPARSE, "hybrid"]


def opened(root: Path, rerank: RerankOptions | None = None) -> QA:
    return QA(open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer(), rerank=rerank))


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> QA:
    root = tmp_path_factory.mktemp("explain") / "index"
    small_index(root)
    return opened(root)


def evaluated(formula: str, values: dict[str, Any]) -> float:
    """Compute a formula as its words say; what is divided by 0, or has no rank, is 0."""
    expression = formula.split(", and 0", 1)[0]
    try:
        return float(eval(expression, {}, values))  # noqa: S307 - formulas of our own
    except (ZeroDivisionError, TypeError):
        return 0.0


def assert_it_adds_up(explanation: Explanation) -> None:
    for entry in explanation.lists.values():
        if entry.terms is not None:
            assert math.fsum(term.share for term in entry.terms) == pytest.approx(entry.score, rel=1e-5, abs=1e-6)
    values = [entry.fused for entry in explanation.lists.values() if entry.fused]
    if explanation.fusion is None:
        return
    for entry in explanation.lists.values():
        fused = entry.fused
        if fused is not None:
            statistics = {**fused.statistics, "score": fused.score, "rank": entry.rank}
            assert evaluated(explanation.fusion.formula, statistics) == pytest.approx(fused.value)
            assert fused.weight * fused.value == pytest.approx(fused.contribution)
            assert entry.rank is None or fused.score == pytest.approx(entry.score)
    power = explanation.fusion.coverage_power
    known = [value.base_weight * value.coverage**power for value in values]
    total = sum(value.base_weight for value in values)
    for value, part in zip(values, known, strict=True):
        assert value.weight == pytest.approx(part * total / sum(known) if sum(known) else value.base_weight)
    score = explanation.first_stage.score if explanation.first_stage else explanation.score
    assert (score is None) == (not values)
    assert score is None or math.fsum(value.contribution for value in values) == pytest.approx(score)


@pytest.mark.parametrize("retriever", RETRIEVERS)
@given(question=QUESTIONS)
def test_ranks_and_scores_are_those_of_the_hits_and_add_up(qa: QA, retriever: str, question: str) -> None:
    hits = {hit.passage_id: hit for hit in qa.retrieve(question, k=100, retriever=retriever)}
    for passage in PASSAGES:
        explanation = qa.explain(question, passage.id, retriever=retriever)
        assert (explanation.passage, explanation.question) == (passage, question)
        assert_it_adds_up(explanation)
        hit = hits.get(passage.id)
        assert explanation.rank == (hit.rank if hit else None)
        assert explanation.score == (pytest.approx(hit.score) if hit else None)
        for name, score in hit.lists.items() if hit else ():
            entry = explanation.lists[name]
            assert entry.rank == score.rank
            assert score.score is None or entry.score == pytest.approx(score.score)
            assert entry.fused is None or entry.fused.contribution == pytest.approx(score.contribution)


@pytest.mark.parametrize("method", METHODS)
@given(question=QUESTIONS, power=st.sampled_from([0.0, 1.0, 2.5]), weight=st.floats(0, 1))
def test_every_fusion_adds_up(qa: QA, method: str, question: str, power: float, weight: float) -> None:
    fusion = Fusion(method, {"dense": weight, "bm25": 1 - weight}, coverage_power=power)
    for passage in PASSAGES:
        assert_it_adds_up(qa.explain(question, passage.id, fusion=fusion))


@pytest.mark.parametrize("retriever", SPARSE)
def test_terms_are_told_with_what_the_passage_lacks(qa: QA, retriever: str) -> None:
    explanation = qa.explain("capital of the capital unheard", "paris", retriever=retriever)
    terms = {term.term: term for term in explanation.lists[retriever].terms or ()}
    assert (terms["capital"].question_count, terms["capital"].count, terms["capital"].document_frequency) == (2, 1, 2)
    assert (terms["unheard"].share, terms["unheard"].document_frequency) == (0.0, 0)
    assert terms["capital"].share > 0


def test_a_passage_may_be_named_by_its_rank(qa: QA) -> None:
    hits = qa.retrieve("capital of France", k=3)
    for hit in hits:
        explanation = qa.explain("capital of France", rank=hit.rank)
        assert explanation == qa.explain("capital of France", hit.passage_id)
        assert (explanation.passage_id, explanation.generation) == (hit.passage_id, qa.generation)


def test_the_explanation_is_a_line_and_json(qa: QA) -> None:
    explanation = qa.explain("capital of France", "paris")
    assert repr(explanation).startswith("Explanation(passage_id='paris', rank=1, score=")
    assert "\n" not in repr(explanation)
    values = json.loads(json.dumps(explanation.to_dict()))
    assert values["lists"]["bm25"]["terms"][0]["share"] > 0
    assert values["passage"]["id"] == "paris"


@pytest.mark.parametrize(
    ("arguments", "field", "sentence"),
    [
        ({"passage_id": "p", "rank": 1}, "passage_id", "give one of the two"),
        ({}, "passage_id", "give one of the two"),
        ({"passage_id": "atlantis"}, "passage_id", "this index has no passage 'atlantis'"),
        ({"rank": 0}, "rank", "rank is 0; choose 1 to 100"),
        ({"rank": 9}, "rank", "rank is 9, and the question has 6 hits"),
        ({"rank": 1, "retriever": "bm26"}, "retriever", "unknown retriever"),
    ],
)
def test_what_cannot_be_explained_is_refused(qa: QA, arguments: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence) as refusal:
        qa.explain("capital of France", **arguments)
    assert refusal.value.field == field
    is_absent = arguments.get("passage_id") == "atlantis" or arguments.get("rank") == 9
    assert isinstance(refusal.value, UnknownPassageError) is is_absent


def test_the_window_that_is_most_similar_is_told_also_without_a_rank(tmp_path: Path) -> None:
    text = " ".join(f"w{number}" for number in range(60))
    filler = [Passage(f"f{number:03}", f"w12 w13 w14 filler{number}") for number in range(120)]
    small_index(tmp_path / "index", [Passage("long", text), *filler], windows=WindowRule(8, 2))
    qa = opened(tmp_path / "index")
    [hit] = [hit for hit in qa.retrieve("w40 w41 w42", k=5) if hit.passage_id == "long"]
    entry = qa.explain("w40 w41 w42", "long").lists["dense"]
    assert entry.window == hit.window
    unranked = qa.explain("w12 w13 w14", "long", retriever="dense").lists["dense"]
    assert unranked.rank is None
    assert unranked.window is not None
    assert "w12 w13 w14" in text[unranked.window.start : unranked.window.end]
    assert unranked.score is not None
    assert -1 <= unranked.score <= 1


def test_the_rows_of_later_segments_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    root = tmp_path / "index"
    small_index(root)
    add_passages([Passage("oslo", "Oslo is the capital of Norway", "Oslo")], root, encoder=HashEncoder())
    delete_passages("paris", root)
    qa = opened(root)
    for retriever in ("dense", "bm25", "tfidf", "hybrid"):
        explanation = qa.explain("Oslo capital", "oslo", retriever=retriever)
        assert explanation.rank == 1
        assert_it_adds_up(explanation)
    with pytest.raises(UnknownPassageError, match="no passage 'paris'"):
        qa.explain("Oslo capital", "paris")


def test_a_reranked_hit_tells_both_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RERANKERS, toy_reranker.KIND, toy_reranker.ENTRY)
    small_index(tmp_path / "index")
    qa = opened(tmp_path / "index", RerankOptions("longest:any", 3))
    for hit in qa.retrieve("capital of Italy", k=6, retriever="hybrid+rerank"):
        explanation = qa.explain("capital of Italy", hit.passage_id, retriever="hybrid+rerank")
        assert (explanation.rank, explanation.first_stage) == (hit.rank, hit.first_stage)
        assert explanation.score == pytest.approx(hit.score)
        assert_it_adds_up(explanation)
    alone = qa.explain("Rome", "kimchi", retriever="bm25+rerank")
    assert (alone.rank, alone.first_stage, alone.retriever) == (None, None, "bm25+rerank")
