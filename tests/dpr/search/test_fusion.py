"""Fusion: each method's formula, the missing-document rule, ties, and the properties that any fusion should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.errors import RequestError
from dpr.search.fusion import METHODS, MISSING_RULES, Fused, Fusion, fuse
from dpr.types import TopK

IDS = ["g", "c", "a", "h", "b", "f", "e", "d", "j", "i"]
"""Passage ids, whose order is not that of the rows."""

Lists = dict[str, dict[int, float]]


def top_k(*questions: dict[int, float], depth: int = 10) -> TopK:
    """Return the list that ranks rows by score, equal ones by passage id, padded to the depth."""
    rows = np.full((len(questions), depth), -1, dtype=np.int64)
    scores = np.full((len(questions), depth), -np.inf, dtype=np.float32)
    for number, question in enumerate(questions):
        ranked = sorted(question.items(), key=lambda item: (-item[1], IDS[item[0]]))
        rows[number, : len(ranked)] = [row for row, _ in ranked]
        scores[number, : len(ranked)] = [score for _, score in ranked]
    return TopK(rows, scores)


def fuse_one(lists: Lists, fusion: Fusion, k: int = 20) -> Fused:
    return fuse({name: top_k(scores) for name, scores in lists.items()}, k, fusion, IDS.__getitem__)


def totals(lists: Lists, fusion: Fusion) -> dict[int, float]:
    fused = fuse_one(lists, fusion)
    pairs = zip(fused.rows[0].tolist(), fused.scores[0].tolist(), strict=True)
    return {row: score for row, score in pairs if row >= 0}


def ranking(lists: Lists, fusion: Fusion) -> list[int]:
    return list(totals(lists, fusion))


# Quarters are exact in single and double precision, so that sums and ties are exact too.
one_list = st.dictionaries(st.integers(0, len(IDS) - 1), st.integers(-40, 40).map(lambda n: n / 4), max_size=8)
some_lists = st.fixed_dictionaries({"dense": one_list, "bm25": one_list, "tfidf": one_list})
fusions = st.builds(
    Fusion,
    st.sampled_from(sorted(METHODS)),
    st.none() | st.fixed_dictionaries(dict.fromkeys(("dense", "bm25", "tfidf"), st.sampled_from([0.25, 0.5, 1.0]))),
)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # dense 7 5 3 with 3 for row 5: mean 4.5, variance 2.75; bm25 3 1 with 1 for rows 0, 2: mean 1.5, variance 0.75
        (
            "zscore",
            {
                1: 0.5 * 0.5 / 2.75**0.5 + 0.5 * 1.5 / 0.75**0.5,
                0: 0.5 * 2.5 / 2.75**0.5 - 0.5 * 0.5 / 0.75**0.5,
                2: -0.5 * 1.5 / 2.75**0.5 - 0.5 * 0.5 / 0.75**0.5,
                5: -0.5 * 1.5 / 2.75**0.5 - 0.5 * 0.5 / 0.75**0.5,
            },
        ),
        ("minmax", {1: 0.25 + 0.5, 0: 0.5, 2: 0.0, 5: 0.0}),
        ("raw", {0: (7 + 1) / 2, 1: (5 + 3) / 2, 2: (3 + 1) / 2, 5: (3 + 1) / 2}),
        ("rrf", {1: 0.5 / 62 + 0.5 / 61, 0: 0.5 / 61, 5: 0.5 / 62, 2: 0.5 / 63}),
    ],
)
def test_each_method_by_hand(method: str, expected: dict[int, float]) -> None:
    lists = {"dense": top_k({0: 7.0, 1: 5.0, 2: 3.0}, depth=3), "bm25": top_k({1: 3.0, 5: 1.0}, depth=2)}
    fused = fuse(lists, 4, Fusion(method), IDS.__getitem__)
    actual = dict(zip(fused.rows[0].tolist(), fused.scores[0].tolist(), strict=True))
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize(("lowest", "missing"), [(1.0, 0.0), (-2.0, -2.0)])
def test_a_list_that_ended_early_gives_absent_passages_nought_or_its_lowest(lowest: float, missing: float) -> None:
    fused = fuse_one({"dense": {0: 7.0}, "bm25": {1: 3.0, 5: lowest}}, Fusion("raw", {"dense": 1.0, "bm25": 1.0}))
    position = fused.rows[0].tolist().index(0)
    assert fused.lists["bm25"].contributions[0, position] == missing


def test_the_only_passage_that_shares_a_term_is_not_overlooked() -> None:
    lists: Lists = {"dense": {0: 0.9, 1: 0.5, 2: 0.4, 3: 0.3}, "bm25": {2: 4.2}}
    assert ranking(lists, Fusion("zscore"))[0] == 2


def test_two_candidates_on_which_the_lists_disagree_are_ranked_by_how_far_apart_they_are() -> None:
    near, far = {0: 0.64, 1: 0.61}, {1: 0.4, 0: 0.1}
    assert ranking({"dense": near, "bm25": far}, Fusion("zscore"))[0] == 1
    assert ranking({"dense": far, "bm25": near}, Fusion("zscore"))[0] == 1
    assert set(totals({"dense": {0: 0.5, 1: 0.5}, "bm25": {0: 2.0, 1: 2.0}}, Fusion("zscore")).values()) == {0.0}


def test_every_method_states_its_missing_rule() -> None:
    assert set(MISSING_RULES) == set(METHODS)
    assert "lowest" in Fusion("zscore").missing_rule
    assert "nothing" in Fusion("rrf").missing_rule


@settings(max_examples=75, deadline=None, derandomize=True)
@given(lists=some_lists, constant=st.sampled_from([0.0, 1.0, 60.0]))
def test_rrf_equals_its_formula(lists: Lists, constant: float) -> None:
    weights = {"dense": 1.0, "bm25": 2.0, "tfidf": 0.5}
    expected: dict[int, float] = {}
    for name, scores in lists.items():
        for rank, row in enumerate(sorted(scores, key=lambda row: (-scores[row], IDS[row])), start=1):
            expected[row] = expected.get(row, 0.0) + weights[name] / (constant + rank)
    assert totals(lists, Fusion("rrf", weights, constant)) == pytest.approx(expected)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(lists=some_lists, fusion=fusions)
def test_all_candidates_come_once_in_order_with_their_parts(lists: Lists, fusion: Fusion) -> None:
    fused = fuse_one(lists, fusion, k=50)
    held = fused.rows[0] >= 0
    rows, scores = fused.rows[0][held].tolist(), fused.scores[0][held].tolist()
    assert sorted(rows) == sorted(set().union(*lists.values()))
    assert list(zip(rows, scores, strict=True)) == sorted(
        zip(rows, scores, strict=True), key=lambda hit: (-hit[1], IDS[hit[0]])
    )
    assert np.isneginf(fused.scores[0][~held]).all()
    for position, row in enumerate(rows):
        parts = {name: part.contributions[0, position] for name, part in fused.lists.items()}
        assert sum(parts.values()) == pytest.approx(scores[position], abs=1e-12)
        for name, part in fused.lists.items():
            ranked = top_k(lists[name]).rows[0].tolist()
            assert part.ranks[0, position] == (ranked.index(row) + 1 if row in lists[name] else 0)
            assert part.scores[0, position] == pytest.approx(lists[name].get(row, np.nan), nan_ok=True)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(lists=some_lists, fusion=fusions, order=st.permutations(["dense", "bm25", "tfidf"]))
def test_the_order_of_the_lists_does_not_matter(lists: Lists, fusion: Fusion, order: Sequence[str]) -> None:
    assert totals({name: lists[name] for name in order}, fusion) == totals(lists, fusion)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(questions=st.lists(some_lists, min_size=1, max_size=5), fusion=fusions)
def test_a_batch_gives_what_each_question_alone_gives(questions: list[Lists], fusion: Fusion) -> None:
    batch = {name: top_k(*(lists[name] for lists in questions)) for name in questions[0]}
    together = fuse(batch, 5, fusion, IDS.__getitem__)
    for number, lists in enumerate(questions):
        alone = fuse_one(lists, fusion, k=5)
        assert together.rows[number].tolist() == alone.rows[0].tolist()
        assert together.scores[number].tolist() == alone.scores[0].tolist()


@settings(max_examples=75, deadline=None, derandomize=True)
@given(lists=some_lists, fusion=fusions, k=st.integers(1, 12))
def test_fewer_hits_are_the_first_of_more(lists: Lists, fusion: Fusion, k: int) -> None:
    assert fuse_one(lists, fusion, k).rows[0].tolist() == fuse_one(lists, fusion, 50).rows[0].tolist()[:k]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(lists=some_lists, method=st.sampled_from(["raw", "rrf"]), data=st.data())
def test_a_higher_score_in_one_list_never_lowers_the_final_rank(lists: Lists, method: str, data: st.DataObject) -> None:
    held = [(name, row) for name, scores in lists.items() for row in scores]
    if not held:
        return
    name, row = data.draw(st.sampled_from(held))
    raised = {**lists, name: {**lists[name], row: lists[name][row] + data.draw(st.integers(1, 60)) / 4}}
    fusion = Fusion(method, {"dense": 1.0, "bm25": 1.0, "tfidf": 1.0}, rrf_constant=0.0)
    if method == "rrf":  # ranks give fractions, whose sums may differ by rounding where the terms are the same
        before, after = totals(lists, fusion), totals(raised, fusion)
        above = {other for other in before if before[other] > before[row] + 1e-9}
        assert {other for other in after if after[other] > after[row] + 1e-9} <= above
    else:
        assert ranking(raised, fusion).index(row) <= ranking(lists, fusion).index(row)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(lists=some_lists, method=st.sampled_from(["zscore", "minmax"]), scale=st.sampled_from([0.5, 4.0]))
def test_normalized_methods_ignore_a_lists_scale(lists: Lists, method: str, scale: float) -> None:
    scaled = {**lists, "dense": {row: score * scale for row, score in lists["dense"].items()}}
    assert totals(scaled, Fusion(method)) == pytest.approx(totals(lists, Fusion(method)), abs=1e-6)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_equal_fused_scores_are_ordered_by_passage_id_also_at_the_last_place(method: str) -> None:
    lists: Lists = {"dense": {row: 0.1 for row in range(8)}}  # noqa: C420  a list of equal scores
    if method == "rrf":
        lists = {"dense": {0: 1.0, 3: 0.5}, "bm25": {2: 1.0, 4: 0.5}}
    expected = {"rrf": ["a", "g", "b"]}.get(method, ["a", "b", "c"])
    fused = fuse_one(lists, Fusion(method), k=3)
    assert [IDS[row] for row in fused.rows[0].tolist()] == expected


@pytest.mark.parametrize("method", ["zscore", "minmax"])
@pytest.mark.parametrize("score", [0.0, 0.1, -3.3, 1e30])
def test_a_full_list_of_equal_scores_says_nothing(method: str, score: float) -> None:
    lists = {"dense": top_k({0: 0.9, 1: 0.5}), "bm25": top_k(dict.fromkeys((1, 2, 3), score), depth=3)}
    fused = fuse(lists, 4, Fusion(method), IDS.__getitem__)
    assert fused.lists["bm25"].contributions.tolist() == [[0.0] * 4]
    assert fused.rows[0, 0] == 0


@pytest.mark.parametrize("method", sorted(METHODS))
def test_an_empty_list_adds_nothing(method: str) -> None:
    one, both = Fusion(method, {"dense": 0.5}), Fusion(method)
    dense = {0: 3.0, 1: 1.0, 2: 1.5}
    assert totals({"dense": dense, "bm25": {}}, both) == totals({"dense": dense}, one)
    assert totals({"dense": {}, "bm25": {}}, both) == {}


def test_a_weight_of_nought_leaves_the_other_list_in_charge() -> None:
    lists: Lists = {"dense": {0: 1.0, 1: 0.5}, "bm25": {1: 9.0, 2: 3.0}}
    assert ranking(lists, Fusion("zscore", {"dense": 1.0, "bm25": 0.0}))[0] == 0
    assert ranking(lists, Fusion("zscore", {"dense": 0.0, "bm25": 1.0}))[0] == 1


def test_lists_may_differ_in_depth() -> None:
    lists = {"dense": top_k({0: 1.0, 1: 0.5}, depth=2), "bm25": top_k({1: 9.0, 2: 3.0, 3: 1.0}, depth=5)}
    fused = fuse(lists, 3, Fusion("rrf"), IDS.__getitem__)
    assert fused.rows.shape == (1, 3)
    assert fused.rows[0, 0] == 1


@dataclass(frozen=True)
class Refused:
    method: str = "zscore"
    weights: dict[str, float] | None = None
    constant: float = 60.0
    power: float = 0.0
    depth: int = 100


@pytest.mark.parametrize(
    ("arguments", "field", "sentence"),
    [
        (Refused("borda"), "fusion", "unknown fusion method 'borda': choose from zscore, minmax, raw, rrf"),
        (Refused(weights={"dense": -0.1, "bm25": 1}), "weights", "the weight of 'dense' is -0.1"),
        (Refused(weights={"dense": float("nan"), "bm25": 1}), "weights", "the weight of 'dense' is nan"),
        (Refused(weights={"dense": 0.0, "bm25": 0.0}), "weights", "all weights are 0"),
        (Refused(weights={}), "weights", "all weights are 0"),
        (Refused(weights={"dense": 1.0, "splade": 1.0}), "weights", "weights are given for dense, splade: give one"),
        (Refused(weights={"dense": 1.0}), "weights", "weights are given for dense: give one for each of dense, bm25"),
        (Refused("rrf", constant=-1.0), "rrf_constant", "rrf_constant is -1.0: it must be 0 or more"),
        (Refused(power=-0.5), "coverage_power", "coverage_power is -0.5: it must be 0 or more"),
        (Refused(depth=0), "fusion", "the depth of the fusion is 0: choose 1 to 1000"),
        (Refused(depth=1001), "fusion", "the depth of the fusion is 1001: choose 1 to 1000"),
        (Refused(power=float("inf")), "coverage_power", "coverage_power is inf: it must be 0 or more"),
    ],
)
def test_a_bad_fusion_is_refused(arguments: Refused, field: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence) as caught:
        fuse_one({"dense": {}, "bm25": {}}, Fusion(*astuple(arguments)))
    assert caught.value.field == field


def test_nothing_to_fuse_is_refused() -> None:
    with pytest.raises(RequestError, match="no result list"):
        fuse({}, 10, Fusion(), IDS.__getitem__)
