"""The page of results is made from the reports that there are."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.retrieval import SETS, located, page
from dpr.benchmark.pairs import Pair
from dpr.benchmark.report import write_report
from tests.dpr.benchmark.reports import made_report


def test_a_section_has_the_table_the_pairs_and_the_causes_of_its_report(tmp_path: Path) -> None:
    from dataclasses import replace

    report = made_report()
    searched = {name: system for name, system in report.systems.items() if system.cost}
    pairs = tuple(pair for pair in report.pairs if {pair.first, pair.second} <= searched.keys())
    write_report(tmp_path / "report.json", replace(report, systems=searched, pairs=pairs, disagreements=()))
    text = page({"A set": json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))})
    assert "## A set" in text
    assert f"{len(report.questions)} questions about {report.documents} articles" in text
    for name in searched:
        assert f"| {name} | " in text
    sentences = [pair.sentence() for pair in pairs if pair.metric == report.primary]
    assert sentences
    assert all(isinstance(pair, Pair) for pair in pairs)
    assert all(f"* {sentence}" in text for sentence in sentences)


def test_without_a_report_there_is_an_introduction_alone() -> None:
    assert page({}).startswith("# Results")
    assert "##" not in page({})


def test_sources_are_found_in_the_folder_of_the_data() -> None:
    assert located("squad:squad/dev.json", Path("data")) == "squad:data/squad/dev.json"
    assert len({result_set.name for result_set in SETS}) == 4
