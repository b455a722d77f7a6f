"""``dpr train-cross-encoder``."""

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
from dpr.cli.questions import EncodingOption, SkipBadRowsOption, retrievable_examples
from dpr.cli.training import settings_of, show_record, training_run
from dpr.data.intake import ReadRules


def train_cross_encoder_command(
    data: DataOption,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the cross-encoder; an interrupted run continues in it.")
    ],
    data_weight: DataWeightOption = None,
    validate: ValidateOption = None,
    base: BaseOption = None,
    config: ConfigOption = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", show_default="1")] = None,
    max_steps: MaxStepsOption = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Questions in a batch, over all processes.", show_default="16")
    ] = None,
    hard_negatives: Annotated[
        int | None, typer.Option(help="Negative passages for each question.", show_default="7")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.", show_default="5e-05")] = None,
    lora_rank: Annotated[
        int | None, typer.Option(help="Rank of the LoRA adapter; 0 trains all weights.", show_default="0")
    ] = None,
    precision: TrainingPrecisionOption = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of new weights, order and negatives.", show_default="1")
    ] = None,
    overwrite: OverwriteOption = False,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a cross-encoder to score a question's passage above hard negatives."""
    options = locals()  # the options that have a setting's name
    from dpr.data.passages import read_examples
    from dpr.train.cross_encoder.run import train_cross_encoder
    from dpr.train.cross_encoder.settings import CrossEncoderTraining

    training = settings_of(CrossEncoderTraining, config, options)
    rules = ReadRules(encoding, skip_bad_rows)
    with training_run(overwrite) as run:
        held_out = [example for source in validate or () for example in read_examples(source, rules)]
        sources = sources_of(data, data_weight, partial(retrievable_examples, rules=rules))
        record = train_cross_encoder(sources, output, training, held_out, run)
    show_record(record, as_json)
