"""``dpr evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import (
    BackendOption,
    DefaultRetrieverOption,
    EncoderOption,
    FusionDepthOption,
    FusionFileOption,
    FusionOption,
    IndexOption,
    JsonOption,
    PrecisionOption,
    ReaderOption,
    RerankDepthOption,
    RerankOption,
    WeightOption,
    check_output_folder,
    fusion_of,
    numbers,
    rerank_of,
)
from dpr.cli.questions import EncodingOption, RuleOption, SkipBadRowsOption, labelled_examples, rule_of, show_metrics
from dpr.config import DEFAULT_READER, ComputeOptions
from dpr.console import command_line, print_json, show_progress
from dpr.data.intake import ReadRules


def evaluate_command(
    index: IndexOption,
    questions: Annotated[
        list[str], typer.Option(metavar="SOURCE", help="kind:PATH of questions with answers; repeatable.")
    ],
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of report.json, the answers and risk-coverage.png.")
    ],
    reader: ReaderOption = str(DEFAULT_READER),
    retriever: DefaultRetrieverOption = None,
    k: Annotated[
        str, typer.Option(metavar="NUMBERS", help="How many passages to read, with commas between.")
    ] = "1,5,10,20",
    rule: RuleOption = None,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    fusion_depth: FusionDepthOption = None,
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
    """Measure answers end to end: retrieve k passages, read them, compare with the gold answers."""
    from dpr.benchmark.answers import AnswerOptions, evaluate
    from dpr.opening import open_qa
    from dpr.pipeline import RetrievalOptions

    check_output_folder(output)
    fused, depths = fusion_of(fusion, weight, fusion_file, fusion_depth), numbers("--k", k)
    retrieval = RetrievalOptions(retriever, fused, rerank_of(rerank, rerank_depth))
    rules, compute = ReadRules(encoding, skip_bad_rows), ComputeOptions(precision, backend)
    with show_progress(f"opening the index {index} and reading the questions") as progress:
        qa = open_qa(index, encoder=encoder, reader=reader, retrieval=retrieval, compute=compute)
        examples = [example for source in questions for example in labelled_examples(source, rules)]
        answer_rule, source = rule or rule_of(questions, examples), ", ".join(questions)
        options = AnswerOptions(depths, answer_rule, qa.default_retriever, fused, source, command_line("dpr"))
        report, results = evaluate(qa.index, qa.answering_reader(), examples, options, output, progress)
    if as_json:
        print_json(report)
        return
    systems = {f"k={depth}": result for depth, result in results.items()}
    times = {name: result.cost()["single_ms_p50"] for name, result in systems.items()}
    title = f"{len(examples):,} questions, {qa.default_retriever}, in per cent"
    show_metrics(title, {name: result.metrics() for name, result in systems.items()}, times)
    typer.echo(f"report, answers and risk-coverage.png are in {output}", err=True)
