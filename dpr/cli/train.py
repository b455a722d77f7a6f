"""``dpr train``."""

from __future__ import annotations

import shlex
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
    PassagePromptOption,
    QuestionPromptOption,
    TrainingPrecisionOption,
    ValidateOption,
    sources_of,
)
from dpr.cli.questions import EncodingOption, SkipBadRowsOption, retrievable_examples
from dpr.cli.training import settings_of, show_record, training_run
from dpr.console import is_main
from dpr.data.intake import ReadRules

OutputOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder of the pair; an interrupted run continues in it.")
]
SharedOption = Annotated[
    bool | None, typer.Option("--shared/--separate", help="One BERT for questions and passages, or two.")
]
GradientCacheOption = Annotated[
    bool | None,
    typer.Option("--gradient-cache/--no-gradient-cache", help="Large batches in the memory of a small one."),
]


def train_command(
    data: DataOption,
    output: OutputOption,
    data_weight: DataWeightOption = None,
    validate: ValidateOption = None,
    base: BaseOption = None,
    question_prompt: QuestionPromptOption = None,
    passage_prompt: PassagePromptOption = None,
    config: ConfigOption = None,
    shared: SharedOption = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", show_default="1")] = None,
    max_steps: MaxStepsOption = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Questions in a batch, over all processes.", show_default="128")
    ] = None,
    hard_negatives: Annotated[
        int | None, typer.Option(help="Further passages for each question that has some.", show_default="1")
    ] = None,
    gradient_cache: GradientCacheOption = None,
    temperature: Annotated[float | None, typer.Option(help="τ of the loss.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.", show_default="5e-05")] = None,
    lora_rank: Annotated[
        int | None, typer.Option(help="Rank of the LoRA adapters; 0 trains all weights.", show_default="0")
    ] = None,
    precision: TrainingPrecisionOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of new weights and of the order.", show_default="1")] = None,
    overwrite: OverwriteOption = False,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train BERT_q and BERT_p with in-batch negatives on questions and their passages."""
    options = locals()  # the options that have a setting's name
    from dpr.data.passages import read_examples
    from dpr.train.encoder.run import train
    from dpr.train.encoder.settings import Training

    training = settings_of(Training, config, options)
    rules = ReadRules(encoding, skip_bad_rows)
    with training_run(overwrite) as run:
        held_out = [example for source in validate or () for example in read_examples(source, rules)]
        sources = sources_of(data, data_weight, partial(retrievable_examples, rules=rules))
        record = train(sources, output, training, held_out, run)
    show_record(record, as_json)
    if is_main() and not as_json:
        typer.echo(f"Use it:   dpr-index build --corpus SOURCE --encoder {shlex.quote(str(output))} --output INDEX")
