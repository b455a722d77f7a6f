"""The folder of a benchmark: every file is made from the report and the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.html_report import write_html
from dpr.benchmark.markdown import write_markdown
from dpr.benchmark.parquet import write_parquet
from dpr.benchmark.pictures import draw_pictures
from dpr.benchmark.report import BenchmarkReport, write_report
from dpr.benchmark.side_by_side import OF
from dpr.errors import ConfigError
from dpr.evaluation.trec import write_qrels, write_run
from dpr.types import Progress, no_progress

PER_QUESTION = "per-question.parquet"
QRELS = "qrels.trec"


def run_file(system: str) -> str:
    """Return the name of a system's run file."""
    return f"{system.replace(OF, '.')}.trec"


def refuse_same_files(retrievers: Iterable[str], runs: Iterable[str]) -> None:
    """Refuse a retriever that comes twice, and runs whose file would replace another one of the folder.

    Raises:
        ConfigError: two systems have one name or one run file, or a system has that of the judgements.
    """
    counts = Counter(retrievers)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ConfigError(f"the retriever {twice[0]!r} is named more than once; name each retriever once")
    system_of = {QRELS: "the judgements"} | {run_file(name): f"the retriever {name!r}" for name in counts}
    for name in runs:
        if other := system_of.get(run_file(name)):
            raise ConfigError(
                f"the run {name!r} and {other} would both be written to {run_file(name)}; name the run otherwise: "
                "--run NAME=FILE"
            )
        system_of[run_file(name)] = f"the run {name!r}"


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
    write_qrels(folder / QRELS, qrels)
    for run in runs:
        path = folder / run_file(run.name)
        write_run(path, run.run, path.stem)
    write_report(folder / "report.json", report)
    write_parquet(folder / PER_QUESTION, report)
    write_markdown(folder / "report.md", report)
    draw_pictures(folder, report, progress)
    write_html(folder / "report.html", report)
