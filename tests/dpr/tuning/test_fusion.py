"""Tuning: its numbers are those of real searches, its refusals say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.errors import ConfigError, DataError, RequestError
from dpr.search.fusion import METHODS, Fusion
from dpr.search.open import OpenIndex, open_index
from dpr.search.record import DEFAULT_FUSION
from dpr.tuning.fusion import TuningOptions, tune
from dpr.types import Example, Passage, Question
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index

WORDS = ("river", "mountain", "king", "clock", "music", "engine", "winter", "harbour", "printing", "silk")


def corpus() -> list[Passage]:
    """Return passages that share words with each other, so that lists disagree about them; five to a document."""
    return [
        Passage(
            f"p{number:02}",
            " ".join(WORDS[(number * step + step) % 10] for step in (1, 3, 7, 9)[: 2 + number % 3])
            + f" n{number % 17}",
            f"title{number // 5}",
        )
        for number in range(60)
    ]


def questions() -> list[Example]:
    passages = corpus()
    return [
        Example(
            Question(f"q{number}", " ".join(passages[number].text.split()[:2]) + f" n{number % 17}"),
            (passages[number],),
        )
        for number in range(0, 60, 2)
    ]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> OpenIndex:
    root = tmp_path_factory.mktemp("tune") / "index"
    small_index(root, corpus())
    return open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())


@pytest.mark.parametrize("method", METHODS)
def test_every_point_is_what_a_search_with_its_weights_gives(index: OpenIndex, tmp_path: Path, method: str) -> None:
    tuned = tune(index, questions(), TuningOptions(method=method))
    assert len(tuned.curve) == 21
    for point in (tuned.curve[0], tuned.curve[7], tuned.curve[20]):
        fusion = Fusion(method, point.weights, coverage_power=DEFAULT_FUSION.coverage_power)
        report = benchmark(index, questions(), BenchmarkOptions(["hybrid"], [1, 20], fusion=fusion), tmp_path)
        measured = report.systems["hybrid"].means
        assert point.metrics == {name: pytest.approx(measured[name]) for name in ("mrr@10", "recall@1", "recall@20")}
    assert len({point.metrics["mrr@10"] for point in tuned.curve}) > 2


def test_the_ends_of_the_curve_are_the_lists_alone(index: OpenIndex, tmp_path: Path) -> None:
    tuned = tune(index, questions())
    alone = benchmark(index, questions(), BenchmarkOptions(["dense", "bm25"], [1]), tmp_path).systems
    for point, name in ((tuned.curve[0], "bm25"), (tuned.curve[-1], "dense")):
        assert point.weights[name] == 1.0
        assert point.metrics["recall@1"] == pytest.approx(alone[name].means["recall@1"])


def test_the_choice_becomes_a_fusion_that_follows_coverage(index: OpenIndex) -> None:
    tuned = tune(index, questions(), TuningOptions(objective="recall@1", method="rrf"))
    weights = tuned.selected.weights
    assert sum(weights.values()) == pytest.approx(1.0)
    assert tuned.fusion == Fusion("rrf", weights, coverage_power=2.0)
    assert max(point.metrics["recall@1"] for point in tuned.curve) == tuned.curve[tuned.choice.best].metrics["recall@1"]
    assert index.retriever("hybrid", tuned.fusion).search(["river king"], 3)


def test_three_lists_make_a_triangle_of_weights(index: OpenIndex) -> None:
    tuned = tune(index, questions(), TuningOptions(lists=("dense", "bm25", "tfidf"), folds=2))
    assert len(tuned.curve) == 231
    assert all(sum(point.weights.values()) == pytest.approx(1.0) for point in tuned.curve)


def test_documents_are_the_units_of_evidence(index: OpenIndex) -> None:
    tuned = tune(index, questions(), TuningOptions(folds=4))
    assert tuned.documents == 12
    assert tuned.held_out is not None
    assert tuned.held_out.folds == 4
    assert tune(index, questions(), TuningOptions(folds=0)).held_out is None
    one_document = [example for example in questions() if example.positives[0].title == "title0"]
    assert tune(index, one_document).documents == len(one_document) == 3  # then each question stands for itself


def test_what_cannot_be_found_counts_and_what_cannot_be_judged_does_not(index: OpenIndex) -> None:
    lost = Example(Question("lost", "river"), (Passage("elsewhere", "not in the pool"),))
    silent = Example(Question("silent", "river"), (corpus()[0],), is_impossible=True)
    whole, less = tune(index, questions()), tune(index, [*questions(), lost, silent])
    assert (less.questions.count, less.questions.gold_missing, less.questions.left_out) == (31, 1, 1)
    for before, after in zip(whole.curve, less.curve, strict=True):
        assert after.metrics["mrr@10"] == pytest.approx(before.metrics["mrr@10"] * 30 / 31)


def test_excluded_passages_are_left_out_as_a_benchmark_does(index: OpenIndex, tmp_path: Path) -> None:
    found = index.retriever("bm25").search([example.question.text for example in questions()], 2)
    second = [
        (example.question, index.passages[hits[1].row], hits[0].passage_id)
        for example, hits in zip(questions(), found, strict=True)
    ]
    excluding = [Example(question, (gold,), excluded_ids=(first,)) for question, gold, first in second]
    tuned = tune(index, excluding, TuningOptions(folds=0))
    assert tuned.questions.own_passages == 30
    for point, name in ((tuned.curve[0], "bm25"), (tuned.curve[-1], "dense")):
        measured = benchmark(index, excluding, BenchmarkOptions([name], [1]), tmp_path).systems[name].means
        assert point.metrics["mrr@10"] == pytest.approx(measured["mrr@10"])
    assert tuned.curve[0].metrics["mrr@10"] == 1.0
    assert tune(index, [Example(question, (gold,)) for question, gold, _ in second]).curve[0].metrics["mrr@10"] == 0.5


def test_graded_passages_reach_ndcg(index: OpenIndex, tmp_path: Path) -> None:
    passages = corpus()
    graded = [
        Example(example.question, (*example.positives, passages[-1 - number]), grades=(2, 1))
        for number, example in enumerate(questions())
    ]
    tuned = tune(index, graded, TuningOptions(objective="ndcg@10"))
    point = tuned.curve[8]
    fusion = Fusion(weights=point.weights, coverage_power=DEFAULT_FUSION.coverage_power)
    report = benchmark(index, graded, BenchmarkOptions(["hybrid"], [20], fusion=fusion), tmp_path)
    for name in ("ndcg@10", "recall@20", "mrr@10"):
        assert point.metrics[name] == pytest.approx(report.systems["hybrid"].means[name])


def test_progress_tells_of_questions_and_points(index: OpenIndex) -> None:
    seen: dict[str, tuple[int, int | None]] = {}
    tune(index, questions(), progress=lambda stage, done, total: seen.update({stage: (done, total)}))
    assert seen == {"retrieve dense": (30, 30), "retrieve bm25": (30, 30), "fuse": (21, 21)}


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ((), "the lists to fuse are nothing"),
        (("dense",), "the lists to fuse are dense; name two or three"),
        (("dense", "dense"), "two or three different ones"),
        (("dense", "bm25", "tfidf", "rank-bm25"), "two or three different ones"),
        (("dense", "hybrid"), "'hybrid' is itself a fusion"),
        (("dense", "guess"), "unknown retriever 'guess'"),
    ],
)
def test_lists_that_cannot_be_fused_are_refused(index: OpenIndex, lists: tuple[str, ...], message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        tune(index, questions(), TuningOptions(lists))
    assert caught.value.field == "retriever"


def test_few_questions_leave_the_default_weights(index: OpenIndex) -> None:
    few = tune(index, questions()[:3], TuningOptions(folds=0))
    near = {point: few.curve[point].weights for point in few.choice.within_error}
    assert few.selected.weights in near.values()
    distance = {point: abs(weights["bm25"] - 0.75) for point, weights in near.items()}
    assert distance[few.choice.selected] == min(distance.values())


def test_settings_that_make_no_sense_are_refused(index: OpenIndex) -> None:
    with pytest.raises(ConfigError, match="unknown metric 'map'"):
        tune(index, questions(), TuningOptions(objective="map"))
    with pytest.raises(RequestError, match="recall@101 is deeper than the 100 candidates"):
        tune(index, questions(), TuningOptions(objective="recall@101"))
    with pytest.raises(RequestError, match="unknown fusion method 'magic'"):
        tune(index, questions(), TuningOptions(method="magic"))
    with pytest.raises(RequestError, match="folds is -1"):
        tune(index, questions(), TuningOptions(folds=-1))
    with pytest.raises(DataError, match="none of the gold passages"):
        tune(index, [Example(Question("q", "where"), (Passage("x", "elsewhere"),))])


def test_an_index_without_vectors_has_no_list_to_fuse_with(tmp_path: Path) -> None:
    small_index(tmp_path / "index", PASSAGES, encoder=None)
    sparse = open_index(tmp_path / "index", analyzer=WordAnalyzer())
    examples = [Example(Question("q", "capital"), (PASSAGES[2],))]
    with pytest.raises(RequestError, match="no vectors for the retriever 'dense'"):
        tune(sparse, examples)
    assert len(tune(sparse, examples, TuningOptions(("bm25", "tfidf"))).curve) == 21
