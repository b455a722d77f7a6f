"""``dpr train-reader``."""

from __future__ import annotations

import os
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.cli.options import (
    BaseOption,
    ConfigOption,
    DataOption,
    DataWeightOption,
    JsonOption,
    OverwriteOption,
    ValidateOption,
    show,
    sources_of,
)
from dpr.cli.questions import EncodingOption, SkipBadRowsOption, labelled_examples, rule_of
from dpr.config import load_config
from dpr.console import command_line, show_progress
from dpr.data.intake import ReadRules

if TYPE_CHECKING:
    from dpr.train.reader.run import ReadingSet


def train_reader_command(
    data: DataOption,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the reader; an interrupted run continues in it.")
    ],
    data_weight: DataWeightOption = None,
    validate: ValidateOption = None,
    start_from: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="A reader of the same base whose weights the training continues from."),
    ] = None,
    base: BaseOption = None,
    config: ConfigOption = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after this many steps; 0: after the epochs.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Padded tokens in one step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Rank of the LoRA adapter; 0 trains all weights.")] = None,
    negative_share: Annotated[
        float | None, typer.Option(help="Share of questions also shown a passage without their answer.")
    ] = None,
    altered_share: Annotated[
        float | None, typer.Option(help="Share of questions also asked with a name exchanged for another.")
    ] = None,
    relevance_head: Annotated[
        bool | None,
        typer.Option("--relevance-head/--no-relevance-head", help="Train a head that tells if a passage answers."),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Arithmetic: auto, fp32, bf16 or fp16.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and negatives.")] = None,
    overwrite: OverwriteOption = False,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train an MRC reader on questions with answer offsets."""
    options = locals()  # the options that have a setting's name
    from dpr.train.engine import RunOptions
    from dpr.train.reader.run import train_reader
    from dpr.train.reader.settings import ReaderTraining

    names = {field.name for field in fields(ReaderTraining)}
    training = load_config(ReaderTraining, config, {name: value for name, value in options.items() if name in names})
    rules = ReadRules(encoding, skip_bad_rows)
    command = command_line("dpr")
    with show_progress() as progress:
        held_out = [_reading_set(source, rules) for source in validate or ()]
        sources = sources_of(data, data_weight, partial(labelled_examples, rules=rules))
        record = train_reader(sources, output, training, None, held_out, RunOptions(progress, command, overwrite))
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
        show(record, as_json)


def _reading_set(source: str, rules: ReadRules) -> ReadingSet:
    from dpr.train.reader.run import ReadingSet

    examples = labelled_examples(source, rules)
    return ReadingSet(examples, rule_of([source], examples))
