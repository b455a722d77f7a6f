"""``dpr train-reader``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import (
    BaseOption,
    ConfigOption,
    DataOption,
    DataWeightOption,
    JsonOption,
    MaxStepsOption,
    OverwriteOption,
    TrainingPrecisionOption,
    ValidateOption,
    sources_of,
)
from dpr.cli.questions import EncodingOption, SkipBadRowsOption, labelled_examples, rule_of
from dpr.cli.training import settings_of, show_record, training_run
from dpr.data.intake import ReadRules


def train_reader_command(
    data: DataOption,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the reader; an interrupted run continues in it.")
    ],
    data_weight: DataWeightOption = None,
    validate: ValidateOption = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="A reader of the same base whose weights the training continues from.", show_default=""
        ),
    ] = None,
    base: BaseOption = None,
    config: ConfigOption = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", show_default="2")] = None,
    max_steps: MaxStepsOption = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Padded tokens in one step.", show_default="6144")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.", show_default="0.0001")] = None,
    lora_rank: Annotated[
        int | None, typer.Option(help="Rank of the LoRA adapter; 0 trains all weights.", show_default="0")
    ] = None,
    negative_share: Annotated[
        float | None,
        typer.Option(help="Share of questions also shown a passage without their answer.", show_default="0.25"),
    ] = None,
    altered_share: Annotated[
        float | None,
        typer.Option(help="Share of questions also asked with a name exchanged for another.", show_default="0"),
    ] = None,
    relevance_head: Annotated[
        bool | None,
        typer.Option("--relevance-head/--no-relevance-head", help="Train a head that tells if a passage answers."),
    ] = None,
    precision: TrainingPrecisionOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and negatives.", show_default="1")] = None,
    overwrite: OverwriteOption = False,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train an MRC reader on questions with answer offsets."""
    options = locals()  # the options that have a setting's name
    from dpr.train.reader.run import ReadingSet, train_reader
    from dpr.train.reader.settings import ReaderTraining

    training = settings_of(ReaderTraining, config, options)
    rules = ReadRules(encoding, skip_bad_rows)
    with training_run(overwrite) as run:
        labelled = [(source, labelled_examples(source, rules)) for source in validate or ()]
        held_out = [ReadingSet(examples, rule_of([source], examples)) for source, examples in labelled]
        sources = sources_of(data, data_weight, partial(labelled_examples, rules=rules))
        record = train_reader(sources, output, training, None, held_out, run)
    show_record(record, as_json)
