"""Indexes side by side, runs of other programs, and a baseline for continuous integration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dpr.benchmark.baseline import FailRule, changes, only_in_one, read_baseline
from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.benchmark.side_by_side import SideBySide
from dpr.benchmark.words import Bilingual
from dpr.cli import app
from dpr.cli.benchmark_systems import Opening, build_pool
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError, DataError, DPRError, RequestError
from dpr.evaluation.trec import read_run
from dpr.search.open import OpenIndex, open_index
from dpr.types import Example, Question, no_progress
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index

EXAMPLES = [
    Example(Question(f"q{number}", f"{passage.text} {passage.title}"), (passage,))
    for number, passage in enumerate(PASSAGES)
]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("indexes")
    small_index(folder / "first")
    small_index(folder / "other", encoder=HashEncoder("hash-2"))
    return folder / "first", folder / "other"


@pytest.fixture
def index(roots: tuple[Path, Path]) -> OpenIndex:
    return opened(roots[0])


def opened(root: Path, fingerprint: str = "hash-1") -> OpenIndex:
    return open_index(root, encoder=HashEncoder(fingerprint), analyzer=WordAnalyzer())


def test_indexes_side_by_side(index: OpenIndex, roots: tuple[Path, Path], tmp_path: Path) -> None:
    both = SideBySide(index, {"e5": opened(roots[1], "hash-2")})
    report = benchmark(both, EXAMPLES, BenchmarkOptions(["bm25", "e5/dense", "bm25+dense"], [1]), tmp_path)
    assert list(report.systems) == ["bm25", "e5/dense", "bm25+dense"]
    assert report.systems["e5/dense"].summary == Bilingual("nearest vectors of e5", "e5 색인: 가장 가까운 벡터")
    assert (tmp_path / "e5.dense.trec").is_file()
    with pytest.raises(RequestError, match="the index 'e6', which is not given; there is e5"):
        both.retriever("e6/dense")


def test_an_index_of_other_passages_is_refused(index: OpenIndex, tmp_path: Path) -> None:
    small_index(tmp_path / "less", PASSAGES[:-1])
    with pytest.raises(ConfigError, match="the index 'less' lacks the passage 'kimchi' of the first one"):
        SideBySide(index, {"less": opened(tmp_path / "less")})
    with pytest.raises(ConfigError, match="the index 'more' has 1 more passages than the first one"):
        SideBySide(opened(tmp_path / "less"), {"more": index})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bm25", r"the run 'bm25' and the retriever 'bm25' would both be written to bm25\.trec"),
        ("e5.dense", "the run 'e5.dense' and the retriever 'e5/dense' would both"),
        ("qrels", "the run 'qrels' and the judgements would both"),
    ],
)
def test_a_run_that_would_replace_another_file_is_refused(
    name: str, message: str, index: OpenIndex, tmp_path: Path
) -> None:
    options = BenchmarkOptions(["bm25", "e5/dense"], [1], runs={name: tmp_path / "theirs.json"})
    with pytest.raises(ConfigError, match=message):
        benchmark(index, EXAMPLES, options, tmp_path)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (
            BenchmarkOptions(["bm25"], [1], primary="recall@7"),
            "'recall@7' is not measured here; choose one of recall@1,",
        ),
        (BenchmarkOptions(["bm25"], [1], primary="answer_recall@1"), "choose one of recall@1, mrr@10, ndcg@10, map@10"),
        (
            BenchmarkOptions(["bm25", "dense", "bm25"], [1]),
            "the retriever 'bm25' is named more than once; name each retriever once",
        ),
        (BenchmarkOptions(["bm25"], []), r"recall is requested at k = \[\]: choose at least one k, each from 1"),
        (BenchmarkOptions(["bm25"], [1, 10_001]), "recall is requested at k = 10001: choose at most 10,000"),
        (BenchmarkOptions(["bm25"], [1], runs={"theirs": Path("none.trec")}), "none.trec: no such file"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_a_search(
    index: OpenIndex, options: BenchmarkOptions, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpr.benchmark.retrieval.search_index", lambda *_: pytest.fail("it searched"))
    with pytest.raises(DPRError, match=cause):
        benchmark(index, EXAMPLES, options, tmp_path)


def test_a_run_and_a_pool_are_read_in_the_encoding_of_the_questions(
    index: OpenIndex, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    run = tmp_path / "theirs.trec"
    run.write_text(f"q0 Q0 {PASSAGES[0].id} 1 2.5 theirs\n", encoding="utf-16")
    options = BenchmarkOptions(["bm25"], [1], runs={"theirs": run}, rules=ReadRules("utf-16"))
    report = benchmark(index, EXAMPLES, options, tmp_path / "out")
    assert report.systems["theirs"].means["recall@1"] == pytest.approx(1 / 6)

    pool = tmp_path / "pool.jsonl"
    pool.write_text('{"text": "서울은 수도이다."}', encoding="cp949")
    opening = Opening(str(tiny_checkpoint), rules=ReadRules("cp949"))
    root = build_pool([str(pool)], tmp_path / "pool-index", opening, no_progress)
    assert [passage.text for passage in open_index(root).passages] == ["서울은 수도이다."]


def test_a_run_of_another_program_is_one_more_system(index: OpenIndex, tmp_path: Path) -> None:
    path = tmp_path / "theirs.json"
    run = {"q0": {PASSAGES[0].id: 3.0, "gone": 5.0}, "q1": {PASSAGES[1].id: 1.0}, "q2": {}, "elsewhere": {"x": 1.0}}
    path.write_text(json.dumps(run), encoding="utf-8")
    options = BenchmarkOptions(["bm25"], [1, 5], runs={"theirs": path})
    report = benchmark(index, EXAMPLES, options, tmp_path / "out")
    theirs = report.systems["theirs"]
    assert theirs.means["recall@1"] == pytest.approx(1 / 6)
    assert theirs.means["recall@5"] == pytest.approx(2 / 6)
    assert theirs.cost is None
    assert [warning.english for warning in theirs.warnings] == [
        "theirs lacks 4 of the judged questions; they score 0",
        "theirs has 1 question that is not judged; it is left out",
        "theirs has 1 passage that is not in the pool; it counts as not relevant",
    ]
    assert theirs.warnings[0].korean == "theirs에 판정된 질문 4개가 없어 0점으로 셉니다"
    assert read_run(tmp_path / "out" / "theirs.trec").keys() == {"q0", "q1"}
    path.write_text('{"elsewhere": {"x": 1}}', encoding="utf-8")
    with pytest.raises(DataError, match="none of its questions is one of the 6 judged; give a run"):
        benchmark(index, EXAMPLES, options, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("recall@5 drops", FailRule("recall@5")),
        ("recall@5 drops by 1 significantly", FailRule("recall@5", 1.0, True)),
        ("mrr@10 drops by 0.5 in e5/dense", FailRule("mrr@10", 0.5, False, "e5/dense")),
        ("mrr@10 drops significantly in bm25", FailRule("mrr@10", 0.0, True, "bm25")),
    ],
)
def test_a_rule_is_a_sentence(text: str, rule: FailRule) -> None:
    assert FailRule.parse(text) == rule


@pytest.mark.parametrize("text", ["", "recall@5", "recall@5 falls", "recall@5 drops by one", "recall@5 drops by -1"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no rule; write METRIC drops \[by POINTS\]"):
        FailRule.parse(text)


def test_a_rule_that_can_never_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="never holds: a metric has 100 points"):
        FailRule.parse("recall@5 drops by 101")


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return a copy of a report with something else in it."""
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    copy = path.with_name("edited.json")
    copy.write_text(json.dumps(document), encoding="utf-8")
    return copy


def better(document: dict[str, Any]) -> None:
    document["per_question"]["systems"]["bm25"]["recall@1"] = [2] + [1] * 5


def with_one_fusion(document: dict[str, Any]) -> None:
    """Give a report the form that it had when one fusion stood for all systems."""
    document["fusion"] = None
    for system in document["systems"].values():
        del system["fusion"]


def test_a_report_with_one_fusion_for_all_is_still_a_baseline(index: OpenIndex, tmp_path: Path) -> None:
    report = benchmark(index, EXAMPLES, BenchmarkOptions(["bm25"], [1, 5]), tmp_path)
    earlier = read_baseline(edited(tmp_path / "report.json", with_one_fusion))
    assert [change.difference.mean for change in changes(report, earlier, [])] == [0]


def test_a_report_against_its_baseline(index: OpenIndex, tmp_path: Path) -> None:
    report = benchmark(index, EXAMPLES, BenchmarkOptions(["bm25", "dense"], [1, 5]), tmp_path)
    path = tmp_path / "report.json"
    drops, by_chance = FailRule("recall@1", 1.0), FailRule("recall@1", 1.0, True)
    assert [change.fails for change in changes(report, read_baseline(path), [drops])] == [False, False]
    earlier = read_baseline(edited(path, better))
    [bm25, dense] = changes(report, earlier, [drops])
    assert (bm25.fails, dense.fails) == (True, False)
    assert bm25.difference.mean == pytest.approx(-1 / 6)
    assert bm25.sentence.startswith("bm25: recall@1 116.67 → 100.00 (-16.67, 95 % interval")
    assert bm25.sentence.endswith("FAILS")
    assert not any(change.fails for change in changes(report, earlier, [by_chance]))
    [change] = changes(report, earlier, [FailRule("recall@1", system="dense")])
    assert change.system == "dense"


def test_without_a_rule_nothing_passes_or_fails(index: OpenIndex, tmp_path: Path) -> None:
    report = benchmark(index, EXAMPLES, BenchmarkOptions(["bm25"], [1, 5], primary="recall@1"), tmp_path)
    [change] = changes(report, read_baseline(edited(tmp_path / "report.json", better)), [])
    assert (change.metric, change.fails) == ("recall@1", None)
    assert change.sentence.endswith("p 1.0000)")


def test_systems_of_one_report_alone_are_told(index: OpenIndex, tmp_path: Path) -> None:
    benchmark(index, EXAMPLES, BenchmarkOptions(["bm25", "tfidf"], [1]), tmp_path)
    report = benchmark(index, EXAMPLES, BenchmarkOptions(["bm25", "dense"], [1]), tmp_path / "new")
    baseline = read_baseline(tmp_path / "report.json")
    assert only_in_one(report, baseline) == [
        "tfidf is in the baseline only; it is not compared",
        "dense is not in the baseline; it is not compared",
    ]
    other = benchmark(index, EXAMPLES, BenchmarkOptions(["dense"], [1]), tmp_path / "other")
    with pytest.raises(ConfigError, match=r"this benchmark has dense, and .*report.json bm25, tfidf; compare reports"):
        changes(other, baseline, [])


def test_a_baseline_that_cannot_be_compared(index: OpenIndex, tmp_path: Path) -> None:
    report = benchmark(index, EXAMPLES, BenchmarkOptions(["bm25"], [1]), tmp_path)
    path = tmp_path / "report.json"
    other = edited(path, lambda document: document["per_question"]["id"].reverse())
    with pytest.raises(DataError, match="the report has 6 questions, and this one 6, of which 6 are in both"):
        changes(report, read_baseline(other), [FailRule("recall@1")])
    baseline = read_baseline(path)
    with pytest.raises(ConfigError, match=r"looks at 'recall@7', which .*report.json does not have of bm25; choose"):
        changes(report, baseline, [FailRule("recall@7")])
    with pytest.raises(ConfigError, match=r"looks at the system 'dense', and .*report.json has bm25"):
        changes(report, baseline, [FailRule("recall@1", system="dense")])


NO_REPORT = [
    (lambda document: document.pop("per_question"), r"is no report of dpr benchmark \(KeyError: 'per_question'\)"),
    (lambda document: document["per_question"].update(systems=[1]), "is no report of dpr benchmark"),
    (lambda document: document["per_question"]["id"].pop(), "of bm25 is not a number for each of the 5 questions"),
    (
        lambda document: document["per_question"]["systems"]["bm25"].update({"mrr@10": [float("nan")] * 6}),
        "mrr@10 of bm25 is not a number for each of the 6 questions",
    ),
    (
        lambda document: document["per_question"]["systems"]["bm25"].update({"mrr@10": ["much"] * 6}),
        "is no report of dpr benchmark",
    ),
]


@pytest.mark.parametrize(("change", "cause"), NO_REPORT)
def test_what_is_no_report_is_refused(
    index: OpenIndex, tmp_path: Path, change: Callable[[dict[str, Any]], None], cause: str
) -> None:
    benchmark(index, EXAMPLES, BenchmarkOptions(["bm25"], [1]), tmp_path)
    with pytest.raises(DataError, match=cause):
        read_baseline(edited(tmp_path / "report.json", change))
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\)"):
        read_baseline(tmp_path / "none.json")


def test_the_command_ends_with_1_where_a_rule_is_broken(
    roots: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    questions = tmp_path / "questions.json"
    rows = [
        {
            "question": example.question.text,
            "answers": [],
            "positive_ctxs": [{"title": passage.title, "text": passage.text, "passage_id": passage.id}],
            "negative_ctxs": [],
            "hard_negative_ctxs": [],
        }
        for example in EXAMPLES
        for passage in example.positives
    ]
    questions.write_text(json.dumps(rows), encoding="utf-8")
    command = ["benchmark", "--index", str(roots[0]), "--questions", f"dpr:{questions}", "--retrievers", "bm25"]
    first = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "first")])
    assert first.exit_code == 0, first.exception
    path = tmp_path / "first" / "report.json"
    again = [*command, "--output", str(tmp_path / "again"), "--fail-if", "recall@1 drops by 1"]
    same = CliRunner().invoke(app, [*again, "--baseline", str(path)])
    assert same.exit_code == 0, same.exception

    worse = CliRunner().invoke(app, [*again, "--baseline", str(edited(path, better)), "--json"])
    assert worse.exit_code == 1
    assert json.loads(worse.stdout)["changes"][0]["fails"] is True
    over = [*command, "--output", str(tmp_path / "first"), "--fail-if", "recall@1 drops by 1", "--baseline"]
    path.write_bytes(edited(path, better).read_bytes())
    assert CliRunner().invoke(app, [*over, str(path)]).exit_code == 1  # which the new report replaces
    unknown = CliRunner().invoke(app, [*again, "--baseline", str(path), "--fail-if", "recall@3 drops"])
    assert "looks at 'recall@3'" in str(unknown.exception)
    without = CliRunner().invoke(app, again)
    assert isinstance(without.exception, ConfigError)
    assert "give --baseline report.json, too" in str(without.exception)
    pool = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "again"), "--pool", str(questions)])
    assert "--pool is for a benchmark that builds its index" in str(pool.exception)
