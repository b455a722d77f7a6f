"""Ranking metrics against trec_eval (through pytrec_eval) and against results worked out by hand."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.errors import ConfigError, DataError
from dpr.evaluation.metrics import METRICS, evaluate, judge, per_question, recall_curve
from dpr.evaluation.trec import trec_order

PASSAGES = [f"p{number}" for number in range(12)]
KS = (1, 3, 5, 10)

runs = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "q4"]), st.lists(st.sampled_from(PASSAGES), unique=True, max_size=12)
)
qrels_strategy = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "q5"]),
    st.dictionaries(st.sampled_from(PASSAGES), st.integers(-1, 3), min_size=1, max_size=8),
    min_size=1,
)


def trec_eval(run: dict[str, list[str]], qrels: dict[str, dict[str, int]], k: int) -> dict[str, float]:
    """Average trec_eval's measures at depth k over all judged questions; it orders by score, so rank makes it."""
    cut = {
        question: {passage: float(-rank) for rank, passage in enumerate(ranked[:k])} for question, ranked in run.items()
    }
    measures = {f"success.{k}", f"recall.{k}", "recip_rank", f"ndcg_cut.{k}", f"map_cut.{k}"}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, measures)
    actual = evaluator.evaluate({question: ranked for question, ranked in cut.items() if ranked})
    names = {"success": f"success_{k}", "recall": f"recall_{k}", "mrr": "recip_rank", "ndcg": f"ndcg_cut_{k}"}
    names["map"] = f"map_cut_{k}"
    return {
        f"{ours}@{k}": math.fsum(row[theirs] for row in actual.values()) / len(qrels) for ours, theirs in names.items()
    }


@settings(max_examples=150, deadline=None, derandomize=True)
@given(run=runs, qrels=qrels_strategy, k=st.sampled_from(KS))
def test_equals_trec_eval(run: dict[str, list[str]], qrels: dict[str, dict[str, int]], k: int) -> None:
    expected = trec_eval(run, qrels, k)
    assert evaluate(run, qrels, list(expected)) == pytest.approx(expected, abs=1e-9)


scores = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "q4"]),
    st.dictionaries(st.sampled_from(PASSAGES), st.sampled_from([0.5, 1.0, 1.0 + 1e-9, 2.0, -3.0]), max_size=12),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(scored=scores, qrels=qrels_strategy)
def test_runs_with_equal_scores_equal_trec_eval(
    scored: dict[str, dict[str, float]], qrels: dict[str, dict[str, int]]
) -> None:
    theirs = {"rprec": "Rprec", "mrr@12": "recip_rank", "map@12": "map", "recall@3": "recall_3"}
    theirs["ndcg@12"] = "ndcg_cut_12"  # pytrec_eval's "ndcg" may never return where a grade is negative
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"Rprec", "recip_rank", "map", "ndcg_cut.12", "recall.3"})
    actual = evaluator.evaluate({question: passages for question, passages in scored.items() if passages}).values()
    expected = {name: math.fsum(row[measure] for row in actual) / len(qrels) for name, measure in theirs.items()}
    run = {question: [passage for passage, _ in trec_order(passages)] for question, passages in scored.items()}
    assert evaluate(run, qrels, list(expected)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(run=runs, qrels=qrels_strategy)
def test_recall_curve_is_recall_at_every_depth(run: dict[str, list[str]], qrels: dict[str, dict[str, int]]) -> None:
    curve = recall_curve(run, qrels, 10)
    expected = evaluate(run, qrels, [f"recall@{k}" for k in range(1, 11)])
    assert curve.tolist() == pytest.approx(list(expected.values()), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("success@1", 0.0),
        ("success@2", 1.0),
        ("recall@2", 1 / 3),
        ("recall@10", 2 / 3),
        ("mrr@1", 0.0),
        ("mrr@10", 1 / 2),
        ("map@10", (1 / 2 + 2 / 4) / 3),
        ("map@3", (1 / 2) / 3),
        ("rprec", 1 / 3),
        # gains 2 at rank 2 and 1 at rank 4, against 3, 2, 1 at ranks 1, 2, 3
        ("ndcg@4", (2 / math.log2(3) + 1 / math.log2(5)) / (3 + 2 / math.log2(3) + 1 / math.log2(4))),
    ],
)
def test_one_question_by_hand(name: str, expected: float) -> None:
    run = {"q": ["a", "b", "c", "d"]}
    qrels = {"q": {"b": 2, "d": 1, "absent": 3, "a": 0}}
    assert evaluate(run, qrels, [name])[name] == pytest.approx(expected)


def test_a_missing_question_counts_as_zero_and_an_unjudged_one_not_at_all() -> None:
    run = {"found": ["a"], "unjudged": ["z"]}
    qrels = {"found": {"a": 1}, "missing": {"b": 1}}
    assert set(evaluate(run, qrels, [f"{metric}@10" for metric in METRICS]).values()) == {0.5}
    assert per_question(run, qrels, ["mrr@10"])["mrr@10"].tolist() == [1.0, 0.0]


def test_a_grade_too_large_to_count_with_is_refused() -> None:
    with pytest.raises(DataError, match="question 'q' has the grade 10000000; give grades of at most 1,000,000"):
        evaluate({"q": ["a"]}, {"q": {"a": 10**7}}, ["ndcg@1"])


def test_a_question_without_a_relevant_passage_scores_zero() -> None:
    scores = evaluate({"q": ["a"]}, {"q": {"a": 0, "b": -1}}, [f"{metric}@1" for metric in METRICS])
    assert set(scores.values()) == {0.0}


@pytest.mark.parametrize(
    "name", ["rprec@5", "recall", "recall@", "recall@0", "recall@10001", "recall@-1", "recall@ten", "@5"]
)
def test_an_unknown_metric_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match="choose from success@k, recall@k, mrr@k, map@k, ndcg@k or rprec"):
        evaluate({}, {"q": {"a": 1}}, [name])


def test_a_passage_listed_twice_is_refused() -> None:
    with pytest.raises(DataError, match="passage 'a' twice for question 'q'"):
        evaluate({"q": ["a", "b", "a"]}, {"q": {"a": 1}}, ["recall@10"])


def test_no_judged_question_is_refused() -> None:
    with pytest.raises(DataError, match="qrels are empty"):
        evaluate({"q": ["a"]}, {}, ["recall@10"])


def test_judge_clips_to_the_depth_and_orders_the_ideal() -> None:
    judged = judge({"q": ["a", "b", "c"]}, {"q": {"c": 2, "a": 1}}, depth=2)
    assert judged.retrieved.tolist() == [[1, 0]]
    assert judged.ideal.tolist() == [[2, 1]]


def test_ten_thousand_questions_of_a_hundred_hits_take_seconds() -> None:
    numbers = np.random.default_rng(0).permuted(np.tile(np.arange(200), (10_000, 1)), axis=1)[:, :100]
    ids = [f"p{number}" for number in range(200)]
    run = {f"q{row}": [ids[number] for number in ranked] for row, ranked in enumerate(numbers.tolist())}
    qrels = {question: {"p7": 1, "p8": 2} for question in run}
    began = time.process_time()
    evaluate(run, qrels, ["recall@1", "recall@5", "recall@20", "recall@100", "mrr@10", "ndcg@10"])
    assert time.process_time() - began < 5
