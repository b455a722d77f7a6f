"""``dpr evaluate-reader``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.cli.options import (
    BackendOption,
    DataOption,
    JsonOption,
    PrecisionOption,
    ReaderOption,
    check_output_folder,
)
from dpr.cli.questions import EncodingOption, RuleOption, SkipBadRowsOption, labelled_examples, rule_of, show_metrics
from dpr.config import DEFAULT_READER
from dpr.console import command_line, print_json, show_progress
from dpr.data.intake import UTF8_RULES, ReadRules

if TYPE_CHECKING:
    from dpr.types import Example

NegativesOption = Annotated[
    bool, typer.Option("--negatives", help="Also ask each question about a passage without its answer.")
]


def evaluate_reader_command(
    data: DataOption,
    reader: ReaderOption = str(DEFAULT_READER),
    rule: RuleOption = None,
    negatives: NegativesOption = False,
    folds: Annotated[
        int, typer.Option(help="Fit threshold and probability on the articles of other folds; 0: use the reader's.")
    ] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for report.json, answers.json and risk-coverage.png.")
    ] = None,
    precision: PrecisionOption = "auto",
    backend: BackendOption = "auto",
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a reader on gold passages: exact match, F1 and its no-answer decisions."""
    from dpr.benchmark.charts import require_charts
    from dpr.benchmark.reader import check_rule, read_gold, score_readings
    from dpr.benchmark.reader_report import reader_report, write_reader_report
    from dpr.reader.extractive.reader import load_reader
    from dpr.tuning.calibration import cross_fitted, folds_of

    if output is not None:
        check_output_folder(output)
        require_charts()
    rules = ReadRules(encoding, skip_bad_rows)
    with show_progress(f"reading the questions and loading the reader {reader}") as progress:
        examples = gold_examples(data, negatives, rules)
        rule_name = rule or rule_of(data, examples)
        check_rule(rule_name)
        if folds:
            folds_of(examples, folds)  # refuses before the reading, which may take hours
        extractive_reader = load_reader(reader, precision, backend=backend)
        readings = read_gold(extractive_reader, examples, progress)
    if folds:
        readings = cross_fitted(readings, examples, folds)
    scores = score_readings(readings, examples, rule_name)
    report = reader_report(scores, extractive_reader, ", ".join(data), command_line("dpr"), folds)
    if output is not None:
        write_reader_report(output, report, scores, examples, readings)
    if as_json:
        print_json(report)
        return
    show_metrics(f"{len(examples):,} questions, {rule_name}, in per cent", {"reader": scores.metrics()}, {})
    if output is not None:
        typer.echo(f"report.json, answers.json and risk-coverage.png are in {output}", err=True)


def gold_examples(sources: list[str], negatives: bool, rules: ReadRules = UTF8_RULES) -> list[Example]:
    """Read labelled questions; with ``negatives``, add each one over a passage without its answer."""
    from dpr.train.negatives import add_negatives

    examples = [example for source in sources for example in labelled_examples(source, rules)]
    return add_negatives(examples, share=1.0, depth=10, seed=1) if negatives else examples
