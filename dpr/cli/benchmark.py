"""``dpr benchmark``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dpr.cli.benchmark_systems import (
    DEFAULT_RETRIEVERS,
    IndexesOption,
    Opening,
    PoolOption,
    RunsOption,
    named,
    open_indexes,
    systems_of,
)
from dpr.cli.options import (
    BackendOption,
    EncoderOption,
    FusionDepthOption,
    FusionFileOption,
    FusionOption,
    JsonOption,
    PrecisionOption,
    RerankDepthOption,
    RerankOption,
    WeightOption,
    check_output_folder,
    fusion_of,
    narrow_table,
    numbers,
    rerank_of,
)
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.config import ComputeOptions
from dpr.console import command_line, escape, print_json, show_progress
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError
from dpr.pipeline import RetrievalOptions
from dpr.search.registry import RETRIEVERS, describe

if TYPE_CHECKING:
    from dpr.benchmark.baseline import Baseline, FailRule
    from dpr.benchmark.report import BenchmarkReport

BaselineOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="report.json of an earlier benchmark of the same questions.")
]
FailIfOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RULE",
        help="End with exit code 1 where it holds against --baseline: 'recall@5 drops by 1'; repeatable.",
    ),
]

FAILED = 1
"""Exit code of a benchmark that is worse than its baseline by a rule of ``--fail-if``."""


def benchmark_command(
    questions: Annotated[str, typer.Option(metavar="SOURCE", help="kind:PATH of questions with gold passages.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of report.html, its data and run files.")],
    index: IndexesOption = None,
    pool: PoolOption = None,
    run: RunsOption = None,
    retrievers: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help=f"Retrievers to compare, with commas between: {describe(RETRIEVERS)}; lists with + between are fused. "
            f"By default those of {', '.join(DEFAULT_RETRIEVERS)} that the index has.",
        ),
    ] = None,
    k: Annotated[str, typer.Option(metavar="NUMBERS", help="Depths of recall, with commas between.")] = "1,5,20,100",
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="Metric that ranks the systems, such as mrr@10; by default recall@5.")
    ] = "",
    fusion: FusionOption = None,
    weight: WeightOption = None,
    fusion_depth: FusionDepthOption = None,
    fusion_file: FusionFileOption = None,
    rerank: RerankOption = None,
    rerank_depth: RerankDepthOption = None,
    encoder: EncoderOption = None,
    precision: PrecisionOption = "auto",
    backend: BackendOption = "auto",
    baseline: BaselineOption = None,
    fail_if: FailIfOption = None,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare sparse, dense and hybrid retrieval on the same questions."""
    from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
    from dpr.data.passages import read_examples

    check_output_folder(output)
    check, depths = _check_of(baseline, fail_if), numbers("--k", k)
    fused = fusion_of(fusion, weight, fusion_file, fusion_depth)
    options, rules = rerank_of(rerank, rerank_depth), ReadRules(encoding, skip_bad_rows)
    opening = Opening(encoder, RetrievalOptions(rerank=options), ComputeOptions(precision, backend), rules)
    other_names = list(named("--index", index, "first"))[1:]
    with show_progress("reading the questions and opening the index") as progress:
        source = read_examples(questions, rules)
        examples = list(source)
        opened, available = open_indexes(index, opening, [questions, *(pool or ())], output, progress)
        benchmark_options = BenchmarkOptions(
            systems_of(retrievers, available, other_names, is_reranked=options is not None),
            depths,
            fused,
            questions,
            source.without_text,
            command_line("dpr"),
            metric,
            named("--run", run),
            rules,
        )
        report = benchmark(opened, examples, benchmark_options, output, progress)
    _tell(report, output, check, as_json)


@dataclass(frozen=True, slots=True)
class _Check:
    """An earlier report, and the rules by which the new one may not be worse."""

    baseline: Baseline
    rules: list[FailRule]


def _check_of(baseline: Path | None, fail_if: list[str] | None) -> _Check | None:
    """Read baseline and rules before the work; the benchmark may write its report over the baseline."""
    from dpr.benchmark.baseline import FailRule, read_baseline

    rules = [FailRule.parse(text) for text in fail_if or ()]
    if baseline is None:
        if fail_if:
            raise ConfigError(f"--fail-if {fail_if[0]!r} compares with a baseline; give --baseline report.json, too")
        return None
    earlier = read_baseline(baseline)
    earlier.check(rules)
    return _Check(earlier, rules)


def _tell(report: BenchmarkReport, output: Path, check: _Check | None, as_json: bool) -> None:
    from dpr.benchmark.baseline import changes, only_in_one

    changed = changes(report, check.baseline, check.rules) if check else []
    if as_json:
        print_json({**report.as_json(), **({"changes": [change.as_json() for change in changed]} if changed else {})})
    else:
        _show(report)
        Console(stderr=True).print(f"open {output / 'report.html'} in a browser; the other files are beside it")
    sentences = [change.sentence for change in changed] + (only_in_one(report, check.baseline) if check else [])
    for sentence in sentences:
        Console(stderr=True).print(escape(sentence), highlight=False)
    if any(change.fails for change in changed):
        raise typer.Exit(FAILED)


def _show(report: BenchmarkReport) -> None:
    from dpr.benchmark.verdict import verdict

    head, *rows = report.table()
    columns = [name.replace("@", "\n@").replace("ms/question", "ms in\nbatch").replace(" ms", "\nms") for name in head]
    title = f"{report.question_set.count:,} questions, {report.pool.passages:,} passages"
    table = narrow_table(*columns, title=title)
    table.columns[0].overflow = "fold"  # a name is never cut
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    Console().print(" ".join(verdict(report).english), highlight=False, markup=False)
    for note in report.notes():
        Console(stderr=True).print(escape(note.english), highlight=False)
