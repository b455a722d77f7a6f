"""The files of a report: a page without any address, Markdown, a table by question, and pictures."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dpr.benchmark import pictures
from dpr.benchmark.breakdown import Group
from dpr.benchmark.html_report import page_data, short_source, trained_words, write_html
from dpr.benchmark.markdown import as_markdown
from dpr.benchmark.outputs import PER_QUESTION, write_all
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.verdict import pareto_front, verdict
from dpr.benchmark.words import Bilingual, all_words, phrase
from dpr.search.registry import RETRIEVERS
from tests.dpr.benchmark.reports import judged_questions, made_report, runs


@pytest.fixture(scope="module")
def report() -> BenchmarkReport:
    return made_report()


@pytest.fixture(scope="module")
def folder(report: BenchmarkReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_all(folder, report, runs(), judged_questions().qrels)
    return folder


def test_the_verdict_names_the_best_or_the_fastest_of_equals(report: BenchmarkReport) -> None:
    answer = verdict(report)
    assert answer.best == report.ranking[0] == "hybrid"
    assert answer.system in answer.leaders
    assert answer.english[0] == f"Use {answer.system}."
    assert answer.korean[0] == f"추천: {answer.system}."
    assert "95 % interval" in answer.english[1]


def test_of_systems_that_cannot_be_told_apart_the_fastest_is_named(report: BenchmarkReport) -> None:
    answer = verdict(report)
    times = {name: cost.single_ms_p50 for name in answer.leaders if (cost := report.systems[name].cost)}
    assert answer.system == min(times, key=times.__getitem__)
    assert any("cannot be told apart from it" in sentence for sentence in answer.english) == (len(answer.leaders) > 1)


def test_the_front_has_no_system_that_another_beats_in_both(report: BenchmarkReport) -> None:
    front = pareto_front(report)
    assert front == ["bm25", "hybrid"]


def test_the_page_needs_nothing_from_outside(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", markup)
    assert "@import" not in markup
    assert "url(" not in markup


def test_no_name_becomes_markup(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page  # the warning, as text


def test_the_data_in_the_page_is_the_report(folder: Path, report: BenchmarkReport) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    [packed] = re.findall(r'<script id="data"[^>]*>([^<]+)</script>', page)
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == json.loads(json.dumps(page_data(report)))


def test_the_same_report_gives_the_same_page(folder: Path, report: BenchmarkReport, tmp_path: Path) -> None:
    write_html(tmp_path / "again.html", report)
    assert (tmp_path / "again.html").read_bytes() == (folder / "report.html").read_bytes()


def test_every_trait_cause_and_retriever_has_a_korean_word(report: BenchmarkReport) -> None:
    words = all_words()
    causes = {cause for each in report.disagreements for causes in each.causes.values() for cause in causes}
    for key in (*report.traits, *causes):
        assert words[key][1] != words[key][0]
    for entry in RETRIEVERS.values():
        assert words[entry.summary][1] != entry.summary
    values = {group.value for group in report.groups if not re.match(r"by |\d+–", group.value)}
    assert values <= words.keys()


def test_values_are_said_in_the_language_of_the_sentence() -> None:
    both = phrase("fused", {"lists": phrase("nearest vectors")})
    assert (both.english, both.korean) == ("nearest vectors, fused", "가장 가까운 벡터의 융합")
    assert phrase("run lacks", {"run": "{a}", "number": 1234}).english.startswith("{a} lacks 1,234 of the judged")
    one = phrase("run lacks", {"run": "a", "number": 1})
    assert one == Bilingual(
        "a lacks 1 of the judged questions; it scores 0", "a에 판정된 질문 1개가 없어 0점으로 셉니다"
    )
    assert phrase("no such words") == Bilingual.same("no such words")


def test_systems_that_were_trained_on_questions_are_named_in_both_languages(report: BenchmarkReport) -> None:
    groups = (Group("trained on", "by dense, hybrid", 3, {}), Group("trained on", "no", 9, {}))
    trained = replace(report, groups=groups)
    assert trained_words(trained, "en") == {"by dense, hybrid": "by dense, hybrid"}
    assert trained_words(trained, "ko") == {"by dense, hybrid": "dense, hybrid의 학습에 쓰임"}


def test_the_table_has_a_row_for_each_question_and_system(folder: Path, report: BenchmarkReport) -> None:
    table = pq.read_table(folder / PER_QUESTION)
    assert table.num_rows == len(report.questions) * len(report.systems)
    rows = [row for row in table.to_pylist() if row["system"] == "dense"]
    assert np.mean([row["recall@5"] for row in rows]) == pytest.approx(report.systems["dense"].means["recall@5"])
    assert {row["language"] for row in rows} == {"ko", "en"}
    missed = [row for row in table.to_pylist() if row["rank"] is None]
    assert missed
    assert all(row["score"] is None for row in missed)


def test_markdown_says_the_verdict_the_pairs_and_the_machine(report: BenchmarkReport) -> None:
    text = as_markdown(report)
    assert f"**{verdict(report).english[0]}**" in text
    assert text.count("\n* ") == len(report.systems) * (len(report.systems) - 1) // 2
    assert "| bm25 | " in text
    assert "**bm25**" in text
    assert "seed is 2007" in text


def test_pictures_keep_hangul_as_text(folder: Path) -> None:
    for name in pictures.NAMES.values():
        assert (folder / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "바깥-시스템" in (folder / "summary.svg").read_text(encoding="utf-8")


def test_with_a_font_for_hangul_each_picture_is_a_png_too(
    tmp_path: Path, report: BenchmarkReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "has_hangul_font", lambda: True)
    drawn = [file for file in pictures.draw_pictures(tmp_path, report) if file.suffix == ".png"]
    assert len(drawn) == len(pictures.NAMES)
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in drawn)


def test_without_a_font_for_hangul_the_png_is_left_out_and_that_is_said(
    report: BenchmarkReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pictures, "has_hangul_font", lambda: False)
    files = pictures.draw_pictures(tmp_path, report)
    assert sorted(path.name for path in files) == sorted(f"{name}.svg" for name in pictures.NAMES.values())
    assert "summary.png is left out: it needs Hangul" in caplog.text


@pytest.mark.parametrize(
    ("source", "short"),
    [("squad:data/dev.json@:4", "squad:dev.json@:4"), ("beir:set", "beir:set"), ("a/b.json", "b.json")],
)
def test_the_page_names_the_file_without_its_folder(source: str, short: str) -> None:
    assert short_source(source) == short
