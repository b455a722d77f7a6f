"""``dpr train``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.cli.options import DataOption, JsonOption, show
from dpr.config import DEFAULT_ENCODER, load_config
from dpr.console import show_progress
from dpr.errors import ConfigError

if TYPE_CHECKING:
    from dpr.train.batches import Source


def train_command(
    data: DataOption,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the pair; an interrupted run goes on in it.")],
    data_weight: Annotated[
        list[float] | None,
        typer.Option(metavar="NUMBER", help="How often an epoch sees each question; once for each --data."),
    ] = None,
    validate: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="kind:PATH of held-out questions to choose the weights by; repeatable."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_DIR", help=f"The encoder to start from. [default: {DEFAULT_ENCODER}]"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings; options here win over it.")
    ] = None,
    shared: Annotated[
        bool | None, typer.Option("--shared/--separate", help="One BERT for questions and passages, or two.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after so many steps; 0: after the epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Questions in a batch, over all processes.")] = None,
    hard_negatives: Annotated[
        int | None, typer.Option(help="Further passages for each question that has some.")
    ] = None,
    gradient_cache: Annotated[
        bool | None,
        typer.Option("--gradient-cache/--no-gradient-cache", help="Large batches in the memory of a small one."),
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="τ of the loss.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Rank of the LoRA adapters; 0 trains all weights.")] = None,
    precision: Annotated[str | None, typer.Option(help="Arithmetic: auto, fp32, bf16 or fp16.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of new weights and of the order.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train BERT_q and BERT_p with in-batch negatives on questions and their passages."""
    from dpr.data.passages import read_examples
    from dpr.train.settings import Training
    from dpr.train.train import train

    options = {
        "base": base,
        "shared": shared,
        "epochs": epochs,
        "max_steps": max_steps,
        "batch_size": batch_size,
        "hard_negatives": hard_negatives,
        "gradient_cache": gradient_cache,
        "temperature": temperature,
        "learning_rate": learning_rate,
        "lora_rank": lora_rank,
        "precision": precision,
        "seed": seed,
    }
    training = load_config(Training, config, options)
    sources = _sources(data, data_weight)
    held_out = [example for source in validate or () for example in read_examples(source)]
    command = shlex.join(["dpr", *sys.argv[1:]])
    with show_progress() as progress:
        record = train(sources, output, training, held_out, progress, command)
    show(record, as_json)


def _sources(data: list[str], weights: list[float] | None) -> list[Source]:
    from dpr.data.passages import read_examples
    from dpr.train.batches import Source

    if weights and len(weights) != len(data):
        raise ConfigError(
            f"--data-weight was given {len(weights)} times and --data {len(data)} times; give one for each, in order"
        )
    found = []
    for source, weight in zip(data, weights or [1.0] * len(data), strict=True):
        examples = [example for example in read_examples(source) if not example.is_impossible]
        found.append(Source(source, examples, weight))
    return found
