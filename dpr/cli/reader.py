"""``dpr train-reader`` and ``dpr evaluate-reader``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import DataOption, JsonOption, PrecisionOption, ReaderOption, show
from dpr.config import DEFAULT_BASE, DEFAULT_READER, load_config
from dpr.console import show_progress
from dpr.types import Example


def train_reader_command(
    data: DataOption,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the reader; an interrupted run goes on in it.")
    ],
    base: Annotated[
        str | None, typer.Option(metavar="NAME_OR_DIR", help=f"The pretrained encoder. [default: {DEFAULT_BASE}]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings; options here win over it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Padded tokens in one step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Rank of the LoRA adapter; 0 trains all weights.")] = None,
    negative_share: Annotated[
        float | None, typer.Option(help="Share of questions also shown a passage without their answer.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Arithmetic: auto, fp32 or bf16.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and negatives.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train an MRC reader on questions with answer offsets."""
    from dpr.reader.train import ReaderTraining, train_reader

    options = {
        "base": base,
        "epochs": epochs,
        "batch_tokens": batch_tokens,
        "learning_rate": learning_rate,
        "lora_rank": lora_rank,
        "negative_share": negative_share,
        "precision": precision,
        "seed": seed,
    }
    training = load_config(ReaderTraining, config, options)
    with show_progress() as progress:
        summary = train_reader(_examples(data), output, training, progress=progress)
    show(summary, as_json)


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
    from dpr.reader.features import add_negatives
    from dpr.reader.model import save_reader_config
    from dpr.reader.reader import load_reader

    examples = add_negatives(_examples(data), share=1.0 if negatives else 0.0, seed=1)
    model = load_reader(reader, precision)
    with show_progress() as progress:
        if tune_threshold:
            threshold = best_threshold(read_gold(model, examples, progress), examples)
            save_reader_config(Path(reader), replace(model.config, null_threshold=threshold))
            model = load_reader(reader, precision)
        chosen = rule or choose_rule(examples, is_korean=all(source.startswith("korquad:") for source in data))
        scores = evaluate_reader(model, examples, chosen, progress)
    show({**scores.as_json(), "null_threshold": model.config.null_threshold}, as_json)


def _examples(sources: list[str]) -> list[Example]:
    """Read questions that say of themselves what a reader should do: answer, or find no answer."""
    from dpr.data.passages import read_examples

    read = (example for source in sources for example in read_examples(source))
    return [example for example in read if example.question.answers or example.is_impossible]
