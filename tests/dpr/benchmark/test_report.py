"""The report as JSON and as a table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dpr
from dpr.benchmark.contestant import Cost
from dpr.benchmark.measured import Measured
from dpr.benchmark.report import BenchmarkReport, JudgedQuestion, System, write_report
from dpr.benchmark.setup import Pool, QuestionSet
from dpr.benchmark.words import Bilingual
from dpr.search.fusion import Fusion


def system(recall: float, mrr: float, cost: Cost | None) -> System:
    return System(
        metrics={"recall@1": Measured(recall, recall - 0.1, recall + 0.1), "mrr@10": Measured(mrr, 0.0, 1.0)},
        values={"recall@1": np.array([1.0, 0.0]), "mrr@10": np.array([1.0, 1 / 3])},
        ranks=np.array([1, 3]),
        scores=np.array([0.5, np.nan]),
        curve=np.array([recall, 1.0]),
        cost=cost,
    )


REPORT = BenchmarkReport(
    systems={
        "bm25": system(0.79, 0.85, Cost(256, 0.5, 100, 1.25, 2.0)),
        "dense": system(0.625, 0.7251, Cost(256, 4.0, 100, 9.0, 12.345)),
    },
    questions=[JudgedQuestion("q1", "누가?", ("나",), ("p1",)), JudgedQuestion("q2", "Who?", (), ("p2",), "d")],
    pool=Pool(2067, "000001"),
    question_set=QuestionSet("squad:dev.json", 10570, gold_missing=0, left_out=3),
    depth=100,
    command="dpr benchmark --index 색인",
)


def test_json_has_the_stable_names(tmp_path: Path) -> None:
    path = tmp_path / "out" / "report.json"
    write_report(path, REPORT)
    text = path.read_text(encoding="utf-8")
    report = json.loads(text)
    assert report["systems"]["bm25"]["metrics"]["recall@1"] == {"value": 0.79, "low": 0.79 - 0.1, "high": 0.79 + 0.1}
    assert report["systems"]["dense"]["cost"]["single_ms_p95"] == 12.345
    assert report["systems"]["dense"]["cost"]["questions_per_s"] == 250
    assert report["pool"] == {"passages": 2067, "generation": "000001"}
    assert report["questions"] == {
        "source": "squad:dev.json",
        "count": 10570,
        "gold_missing": 0,
        "left_out": 3,
        "absent_passages": 0,
        "without_text": 0,
        "own_passages": 0,
        "synthetic": 0,
    }
    assert report["notes"] == []
    assert report["versions"]["dpr"] == dpr.__version__
    assert report["machine"]["cores"] >= 1
    assert "색인" in text


def test_json_has_ranks_and_values_of_every_question(tmp_path: Path) -> None:
    write_report(tmp_path / "report.json", REPORT)
    columns = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["per_question"]
    assert columns["id"] == ["q1", "q2"]
    assert columns["document"] == ["", "d"]
    assert columns["systems"]["bm25"] == {"rank": [1, 3], "recall@1": [1, 0], "mrr@10": [1, 1 / 3]}


def test_notes_say_what_a_reader_of_the_metrics_should_know() -> None:
    questions = QuestionSet(
        "beir:set", 5, gold_missing=1, left_out=0, absent_passages=2, without_text=3, own_passages=4
    )
    warned = replace(REPORT.systems["dense"], warnings=(Bilingual.same("trained on these"),))
    report = replace(REPORT, question_set=questions, systems={"a": warned, "b": warned})
    absent, silent, own, trained = [note.english for note in report.notes()]
    assert absent == "2 judged passages are not in the index; they count as not found"
    assert silent == "3 judged questions have no text in the data set and are left out"
    assert own.startswith("4 questions are passages of the index themselves: a question does not find itself")
    assert trained == "trained on these"
    assert report.notes()[0].korean == "정답 문단 2개가 색인에 없어, 찾지 못한 것으로 셉니다"


def test_a_system_says_how_it_fused() -> None:
    plain = REPORT.systems["bm25"]
    assert plain.as_json()["fusion"] is None
    assert plain.fusion_words == Bilingual("", "")
    fused = replace(plain, fusion=Fusion("rrf", {"bm25": 1 / 3, "dense": 2 / 3}, coverage_power=2.0, depth=1000))
    written = fused.as_json()["fusion"]
    assert isinstance(written, dict)
    assert written["weights"] == {"bm25": 1 / 3, "dense": 2 / 3}
    assert "nothing" in written["missing_rule"]
    assert fused.fusion_words == Bilingual(
        "rrf, weights bm25 0.333, dense 0.667, coverage power 2, 1,000 candidates of each list",
        "rrf, 가중치 bm25 0.333, dense 0.667, 포함률 지수 2, 목록마다 후보 1,000개",
    )


def test_what_json_cannot_say_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    broken = replace(REPORT, systems={"bm25": system(float("nan"), 0.5, None)})
    with pytest.raises(ValueError, match="Out of range float"):
        write_report(tmp_path / "report.json", broken)
    assert list(tmp_path.iterdir()) == []


def test_the_table_has_a_head_and_a_row_for_each_system() -> None:
    searched = REPORT.table()
    assert searched == [
        ("retriever", "recall@1", "mrr@10", "ms/question", "p50 ms", "p95 ms"),
        ("bm25", "79.0", "85.0", "0.50", "1.25", "2.00"),
        ("dense", "62.5", "72.5", "4.00", "9.00", "12.35"),
    ]
    outside = replace(REPORT, systems={"theirs": system(0.5, 0.5, None)}).table()
    assert outside[1] == ("theirs", "50.0", "50.0", "", "", "")
