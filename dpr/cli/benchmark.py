"""``dpr benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from dpr.cli.options import (
    BackendOption,
    EncoderOption,
    FusionFileOption,
    FusionOption,
    IndexOption,
    JsonOption,
    PrecisionOption,
    RerankDepthOption,
    RerankOption,
    WeightOption,
    check_output_folder,
    fusion_of,
    numbers,
    rerank_of,
)
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.config import ComputeOptions
from dpr.console import command_line, print_json, show_progress
from dpr.data.intake import ReadRules
from dpr.search.registry import RETRIEVERS, describe, reranked_name

if TYPE_CHECKING:
    from dpr.benchmark.report import BenchmarkReport


def benchmark_command(
    index: IndexOption,
    questions: Annotated[str, typer.Option(metavar="SOURCE", help="kind:PATH of questions with gold passages.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of report.html, its data and run files.")],
    retrievers: Annotated[
        str, typer.Option(metavar="NAMES", help=f"Retrievers to compare, with commas between: {describe(RETRIEVERS)}.")
    ] = "bm25,tfidf,dense,hybrid",
    k: Annotated[str, typer.Option(metavar="NUMBERS", help="Depths of recall, with commas between.")] = "1,5,20,100",
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="Metric that ranks the systems, such as mrr@10; by default recall@5.")
    ] = "",
    fusion: FusionOption = None,
    weight: WeightOption = None,
    fusion_file: FusionFileOption = None,
    rerank: RerankOption = None,
    rerank_depth: RerankDepthOption = None,
    encoder: EncoderOption = None,
    precision: PrecisionOption = "auto",
    backend: BackendOption = "auto",
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare sparse, dense and hybrid retrieval on the same questions."""
    from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
    from dpr.data.passages import read_examples
    from dpr.opening import open_qa
    from dpr.pipeline import RetrievalOptions

    check_output_folder(output)
    fused, depths = fusion_of(fusion, weight, fusion_file), numbers("--k", k)
    options = rerank_of(rerank, rerank_depth)
    retrieval, compute = RetrievalOptions(rerank=options), ComputeOptions(precision, backend)
    rules = ReadRules(encoding, skip_bad_rows)
    with show_progress() as progress:
        source = read_examples(questions, rules)
        examples = list(source)
        report = benchmark(
            open_qa(index, encoder=encoder, reader=None, retrieval=retrieval, compute=compute).index,
            examples,
            BenchmarkOptions(
                _systems(retrievers, is_reranked=options is not None),
                depths,
                fusion=fused,
                source=questions,
                without_text=source.without_text,
                command=command_line("dpr"),
                primary=metric,
            ),
            output,
            progress,
        )
    if as_json:
        print_json(report.as_json())
    else:
        _show(report)
        Console(stderr=True).print(f"open {output / 'report.html'} in a browser; the other files are beside it")


def _show(report: BenchmarkReport) -> None:
    from dpr.benchmark.verdict import verdict

    head, *rows = report.table()
    columns = [name.replace("@", "\n@").replace("/", "\nper ").replace(" ms", "\nms") for name in head]
    table = Table(
        *columns,
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        title=f"{report.question_set.count:,} questions, {report.pool.passages:,} passages",
    )
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    Console().print(" ".join(verdict(report).english), highlight=False, markup=False)
    for note in report.notes():
        Console(stderr=True).print(note)


def _systems(retrievers: str, *, is_reranked: bool) -> list[str]:
    """Return the names of the systems: each retriever, and its reranked version."""
    names = [name.strip() for name in retrievers.split(",") if name.strip()]
    if not is_reranked:
        return names
    return list(dict.fromkeys(name for plain in names for name in (plain, reranked_name(plain))))
