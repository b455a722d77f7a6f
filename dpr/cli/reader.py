"""``dpr train-reader`` and ``dpr evaluate-reader``."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.cli.options import (
    BaseOption,
    ConfigOption,
    DataOption,
    DataWeightOption,
    JsonOption,
    PrecisionOption,
    ReaderOption,
    ValidateOption,
    show,
    sources_of,
)
from dpr.config import DEFAULT_READER, load_config
from dpr.console import show_progress

if TYPE_CHECKING:
    from dpr.train.reader import ReadingSet
    from dpr.types import Example


def train_reader_command(
    data: DataOption,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the reader; an interrupted run goes on in it.")
    ],
    data_weight: DataWeightOption = None,
    validate: ValidateOption = None,
    base: BaseOption = None,
    config: ConfigOption = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after so many steps; 0: after the epochs.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Padded tokens in one step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Rank of the LoRA adapter; 0 trains all weights.")] = None,
    negative_share: Annotated[
        float | None, typer.Option(help="Share of questions also shown a passage without their answer.")
    ] = None,
    relevance_head: Annotated[
        bool | None,
        typer.Option("--relevance-head/--no-relevance-head", help="Train a head that tells if a passage answers."),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Arithmetic: auto, fp32, bf16 or fp16.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and negatives.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train an MRC reader on questions with answer offsets."""
    given = locals()  # the options that have a setting's name
    from dpr.train.reader import train_reader
    from dpr.train.reader_settings import ReaderTraining

    names = {field.name for field in fields(ReaderTraining)}
    training = load_config(ReaderTraining, config, {name: value for name, value in given.items() if name in names})
    held_out = [_reading_set(source) for source in validate or ()]
    command = shlex.join(["dpr", *sys.argv[1:]])
    with show_progress() as progress:
        sources = sources_of(data, data_weight, _examples)
        record = train_reader(sources, output, training, held_out=held_out, progress=progress, command=command)
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
        show(record, as_json)


def evaluate_reader_command(
    data: DataOption,
    reader: ReaderOption = str(DEFAULT_READER),
    rule: Annotated[
        str | None, typer.Option(metavar="NAME", help="squad-1.1, squad-2.0 or korquad-1.0; by default the data's own.")
    ] = None,
    negatives: Annotated[
        bool, typer.Option("--negatives", help="Ask each question of a passage without its answer too.")
    ] = False,
    tune_threshold: Annotated[
        bool, typer.Option("--tune-threshold", help="Choose the null threshold of best F1 and store it in the reader.")
    ] = False,
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a reader's exact match and F1 on the gold passages."""
    from dpr.reader.evaluate import best_threshold, choose_rule, evaluate_reader, read_gold
    from dpr.reader.model import save_reader_config
    from dpr.reader.negatives import add_negatives
    from dpr.reader.reader import load_reader

    examples = [example for source in data for example in _examples(source)]
    if negatives:
        examples = add_negatives(examples, share=1.0, depth=10, seed=1)
    model = load_reader(reader, precision)
    with show_progress() as progress:
        if tune_threshold:
            threshold = best_threshold(read_gold(model, examples, progress), examples)
            save_reader_config(Path(reader), replace(model.config, null_threshold=threshold))
            model = load_reader(reader, precision)
        chosen = rule or choose_rule(examples, is_korean=all(source.startswith("korquad:") for source in data))
        scores = evaluate_reader(model, examples, chosen, progress)
    show({**scores.as_json(), "null_threshold": model.config.null_threshold}, as_json)


def _examples(source: str) -> list[Example]:
    """Read questions that say of themselves what a reader should do: answer, or find no answer."""
    from dpr.data.passages import read_examples

    return [example for example in read_examples(source) if example.question.answers or example.is_impossible]


def _reading_set(source: str) -> ReadingSet:
    from dpr.reader.evaluate import choose_rule
    from dpr.train.reader import ReadingSet

    examples = _examples(source)
    return ReadingSet(examples, choose_rule(examples, is_korean=source.startswith(("korquad:", "klue:"))))
