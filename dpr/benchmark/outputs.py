"""The folder of a benchmark: every file is made from the report and the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.html_report import write_html
from dpr.benchmark.markdown import write_markdown
from dpr.benchmark.parquet import write_parquet
from dpr.benchmark.pictures import draw_pictures
from dpr.benchmark.report import BenchmarkReport, write_report
from dpr.benchmark.side_by_side import OF
from dpr.evaluation.trec import write_qrels, write_run
from dpr.types import Progress, no_progress

PER_QUESTION = "per-question.parquet"


def write_all(
    folder: Path,
    report: BenchmarkReport,
    runs: Sequence[SystemRun],
    qrels: Mapping[str, Mapping[str, int]],
    progress: Progress = no_progress,
) -> None:
    """Write ``report.html``, ``report.md``, ``report.json``, ``per-question.parquet``, run files, qrels and charts.

    Raises:
        MissingDependencyError: jinja2 or vl-convert-python is not installed.
        DataError: a system's name holds white space, which separates the columns of a run file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_qrels(folder / "qrels.trec", qrels)
    for run in runs:
        name = run.name.replace(OF, ".")
        write_run(folder / f"{name}.trec", run.run, name)
    write_report(folder / "report.json", report)
    write_parquet(folder / PER_QUESTION, report)
    write_markdown(folder / "report.md", report)
    draw_pictures(folder, report, progress)
    write_html(folder / "report.html", report)
