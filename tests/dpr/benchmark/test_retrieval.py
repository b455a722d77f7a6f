"""The benchmark: numbers that can be checked by hand, and files that other tools can check."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import pytrec_eval

from dpr.benchmark.pictures import NAMES
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.benchmark.searching import SINGLE_QUESTIONS
from dpr.errors import DataError, MissingDependencyError, RequestError
from dpr.evaluation.trec import read_qrels, read_run
from dpr.search.contract import Retriever
from dpr.search.fusion import Fusion
from dpr.search.reranking import RerankOptions
from dpr.types import Example, Hit, ListScore, Passage, Question

PASSAGES = [Passage(f"p{number:02}", f"passage number {number}") for number in range(30)]


class Pool:
    def __len__(self) -> int:
        return len(PASSAGES)

    def __iter__(self) -> Iterator[Passage]:
        return iter(PASSAGES)

    def __getitem__(self, row: int) -> Passage:
        return PASSAGES[row]

    def row_of(self, passage_id: str) -> int | None:
        return next((row for row, passage in enumerate(PASSAGES) if passage.id == passage_id), None)


class Misplacing(Retriever):
    """Finds the passage that a question names (``find 7``) at a fixed rank, or beyond every depth."""

    def __init__(self, name: str, rank: int) -> None:
        self.name = name
        self.rank = rank
        self.batches: list[int] = []

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        self.batches.append(len(questions))
        if k > 20:
            raise RequestError(f"k is {k}: at most 20", field="k")
        return [self.hits(int(question.split()[1]), k) for question in questions]

    def hits(self, gold: int, k: int) -> list[Hit]:
        rows = [row for row in range(len(PASSAGES)) if row != gold]
        rows.insert(self.rank - 1, gold)
        scores = [1.0 / (1 + position // 2) for position in range(k)]  # every score comes twice
        return [
            Hit(row, PASSAGES[row].id, position + 1, score, {self.name: ListScore(position + 1, score, score)})
            for position, (row, score) in enumerate(zip(rows, scores, strict=False))
        ]


class Index:
    """An index of thirty passages and retrievers that misplace what they look for."""

    generation = "000007"
    passages = Pool()
    rerank: RerankOptions | None = None

    def __init__(self) -> None:
        self.opened = {
            "bm25": Misplacing("bm25", 1),
            "dense": Misplacing("dense", 4),
            "hybrid": Misplacing("hybrid", 2),
        }
        self.fusions: dict[str, Fusion | None] = {}

    def retriever(self, name: str, fusion: Fusion | None = None) -> Retriever:
        if name not in self.opened:
            raise RequestError(f"unknown retriever {name!r}: choose from {', '.join(self.opened)}", field="retriever")
        self.fusions[name] = fusion
        return self.opened[name]


def examples(count: int = 8) -> list[Example]:
    return [Example(Question(f"q{number}", f"find {number % 30}"), (PASSAGES[number % 30],)) for number in range(count)]


def values_of(report: BenchmarkReport, system: str) -> dict[str, float]:
    return report.systems[system].means


def test_reports_what_every_retriever_achieves(tmp_path: Path) -> None:
    report = benchmark(Index(), examples(), BenchmarkOptions(["bm25", "dense"], [1, 5, 20]), tmp_path)
    bm25, dense = values_of(report, "bm25"), values_of(report, "dense")
    assert bm25 == dict.fromkeys(bm25, 1.0)
    assert {"recall@1", "recall@20", "mrr@10", "ndcg@10", "map@20", "rprec", "success@5"} <= bm25.keys()
    assert report.systems["dense"].ranks.tolist() == [4] * 8
    assert report.systems["dense"].scores.tolist() == [0.5] * 8
    assert (dense["recall@1"], dense["recall@5"], dense["mrr@10"]) == (0.0, 1.0, 0.25)
    assert (report.pool.passages, report.pool.generation, report.question_set.count) == (30, "000007", 8)


def test_writes_every_file_and_nothing_else(tmp_path: Path) -> None:
    benchmark(
        Index(),
        examples(),
        BenchmarkOptions(["bm25", "dense"], [1, 5], source="squad:dev", command="dpr …"),
        tmp_path / "out",
    )
    written = {path.name for path in (tmp_path / "out").iterdir()}
    charts = {f"{name}.{kind}" for name in NAMES.values() for kind in ("svg", "png")}
    data = {"report.json", "per-question.parquet", "qrels.trec", "bm25.trec", "dense.trec"}
    assert written == {"report.html", "report.md", *data, *charts}
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["systems"]["dense"]["metrics"]["mrr@10"]["value"] == 0.25
    assert report["per_question"]["id"] == [f"q{number}" for number in range(8)]
    assert report["per_question"]["systems"]["dense"]["rank"] == [4] * 8
    assert report["per_question"]["systems"]["dense"]["recall@1"] == [0] * 8
    assert (report["questions"]["source"], report["command"]) == ("squad:dev", "dpr …")
    assert "fusion" not in report


def test_the_run_files_give_trec_eval_the_same_numbers(tmp_path: Path) -> None:
    report = benchmark(Index(), examples(), BenchmarkOptions(["dense"], [3, 5]), tmp_path)
    with (tmp_path / "dense.trec").open() as file:
        run = pytrec_eval.parse_run(file)
    measured = pytrec_eval.RelevanceEvaluator(read_qrels(tmp_path / "qrels.trec"), {"recall.3,5", "ndcg_cut.10"})
    actual = list(measured.evaluate(run).values())
    theirs = [sum(row[name] for row in actual) / len(actual) for name in ("recall_3", "recall_5", "ndcg_cut_10")]
    ours = values_of(report, "dense")
    assert [ours["recall@3"], ours["recall@5"], ours["ndcg@10"]] == pytest.approx(theirs, abs=1e-9)


def test_at_least_ten_hits_are_searched(tmp_path: Path) -> None:
    report = benchmark(Index(), examples(), BenchmarkOptions(["bm25"], [1, 3]), tmp_path)
    assert report.depth == 10
    assert len(read_run(tmp_path / "bm25.trec")["q0"]) == 10


def test_searches_in_batches_and_times_single_questions(tmp_path: Path) -> None:
    index = Index()
    seen: list[tuple[str, int, int | None]] = []
    report = benchmark(
        index, examples(600), BenchmarkOptions(["bm25"], [1]), tmp_path, lambda *stage: seen.append(stage)
    )
    batches = [size for size in index.opened["bm25"].batches if size > 1]
    assert batches == [256, 256, 88]
    assert index.opened["bm25"].batches.count(1) == SINGLE_QUESTIONS + 1  # and the one that warms up
    assert seen[:4] == [("search bm25", count, 600) for count in (0, 256, 512, 600)]
    cost = report.systems["bm25"].cost
    assert cost is not None
    assert cost.batch_ms_p50 is not None
    assert cost.questions_per_s == pytest.approx(1000 / cost.batch_ms_per_question)
    assert cost.single_questions == SINGLE_QUESTIONS
    assert 0 < cost.single_ms_p50 <= cost.single_ms_p95


def test_the_first_question_and_the_first_with_hangul_warm_up(tmp_path: Path) -> None:
    index = Index()
    korean = [Example(Question(f"ko{row}", f"find {row} 어디"), (PASSAGES[row],)) for row in range(2)]
    benchmark(index, [*examples(2), *korean], BenchmarkOptions(["bm25"], [1]), tmp_path)
    assert index.opened["bm25"].batches[:2] == [2, 4]


def test_the_fusion_goes_to_hybrid_alone(tmp_path: Path) -> None:
    index, fusion = Index(), Fusion("rrf", {"dense": 0.3, "bm25": 0.7})
    benchmark(index, examples(), BenchmarkOptions(["bm25", "hybrid"], [1], fusion=fusion), tmp_path)
    assert index.fusions == {"bm25": None, "hybrid": fusion}


def test_missing_gold_passages_are_misses_and_are_counted(tmp_path: Path) -> None:
    lost = Example(Question("lost", "find 3"), (Passage("elsewhere", "not in the pool"),))
    silent = Example(Question("silent", "find 4"), (PASSAGES[4],), is_impossible=True)
    with pytest.raises(DataError, match="a passage is found by its id, or by exactly its text"):
        benchmark(Index(), [lost], BenchmarkOptions(["bm25"], [1]), tmp_path)
    report = benchmark(Index(), [*examples(3), lost, silent], BenchmarkOptions(["bm25"], [1]), tmp_path)
    assert values_of(report, "bm25")["recall@1"] == 0.75
    assert (report.question_set.count, report.question_set.gold_missing, report.question_set.left_out) == (4, 1, 1)


@pytest.mark.parametrize(
    ("retrievers", "ks", "field", "sentence"),
    [
        ([], [1], "retriever", "no retriever to measure"),
        (["bm25", "splade"], [1], "retriever", "unknown retriever 'splade'"),
        (["bm25"], [], "k", "at least one k"),
        (["bm25"], [0, 5], "k", "each from 1"),
        (["bm25"], [5, 50], "k", "at most 20"),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_before_any_measurement(
    tmp_path: Path, retrievers: list[str], ks: list[int], field: str, sentence: str
) -> None:
    index = Index()
    with pytest.raises(RequestError, match=sentence) as caught:
        benchmark(index, examples(), BenchmarkOptions(retrievers, ks), tmp_path)
    assert caught.value.field == field
    assert all(size == 1 for size in index.opened["bm25"].batches)


def test_a_fusion_of_nothing_that_is_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match="a fusion is given, but none of bm25, dense fuses; leave it out, or measure"
    ):
        benchmark(Index(), examples(), BenchmarkOptions(["bm25", "dense"], [1], fusion=Fusion("rrf")), tmp_path)


def test_ids_with_white_space_are_measured_and_come_back(tmp_path: Path) -> None:
    report = benchmark(
        Index(), [Example(Question("q 1", "find 3"), (PASSAGES[3],))], BenchmarkOptions(["bm25"], [1]), tmp_path
    )
    assert values_of(report, "bm25")["recall@1"] == 1.0
    assert read_run(tmp_path / "bm25.trec").keys() == read_qrels(tmp_path / "qrels.trec").keys() == {"q 1"}


def test_a_question_does_not_find_itself_and_the_report_says_so(tmp_path: Path) -> None:
    own = Example(Question("p00", "find 7"), (PASSAGES[7],), excluded_ids=("p00",))
    report = benchmark(
        Index(), [own, *examples(1)], BenchmarkOptions(["dense"], [1, 4]), tmp_path
    )  # ranks the gold passage fourth
    ranked = [passage for passage, _ in read_run(tmp_path / "dense.trec")["p00"]]
    assert ranked == ["p01", "p02", "p07", *(f"p{number:02}" for number in (3, 4, 5, 6, 8, 9, 10))]
    assert values_of(report, "dense")["mrr@10"] == pytest.approx((1 / 3 + 1 / 4) / 2)
    assert report.question_set.own_passages == 1
    assert len(json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["notes"]) == 1


def test_judgements_of_passages_that_are_nowhere_lower_recall(tmp_path: Path) -> None:
    half = Example(Question("half", "find 3"), (PASSAGES[3],), absent_positives=(("999", 1),))
    nothing = Example(Question("nothing", "find 4"), (), absent_positives=(("998", 1),))
    report = benchmark(
        Index(), [half, nothing, *examples(2)], BenchmarkOptions(["bm25"], [2], without_text=5), tmp_path
    )
    assert values_of(report, "bm25")["recall@2"] == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    questions = report.question_set
    assert (questions.count, questions.gold_missing, questions.absent_passages, questions.without_text) == (4, 1, 2, 5)
    assert read_qrels(tmp_path / "qrels.trec")["half"] == {"p03": 1, "999": 1}


def test_without_the_chart_library_nothing_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpr.benchmark.html_report.find_spec", lambda _package: None)
    index = Index()
    with pytest.raises(MissingDependencyError, match="report"):
        benchmark(index, examples(), BenchmarkOptions(["bm25"], [1]), tmp_path)
    assert index.opened["bm25"].batches == []
