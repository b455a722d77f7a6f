"""``dpr adapt``."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import JsonOption, OverwriteOption, show
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.config import DEFAULT_BASE, load_config
from dpr.console import command_line, show_progress
from dpr.data.intake import ReadRules


def adapt_command(
    text: Annotated[
        list[str],
        typer.Option(metavar="SOURCE", help="Texts: a .txt or .txt.gz file of one a line, or passages; repeatable."),
    ],
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the base; an interrupted run continues in it.")
    ],
    base: Annotated[
        str | None, typer.Option(metavar="NAME_OR_DIR", help="The BERT to start from.", show_default=DEFAULT_BASE)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings; options here override it.")
    ] = None,
    vocabulary_size: Annotated[
        int | None, typer.Option(help="New WordPieces to learn from the texts.", show_default="none")
    ] = None,
    script: Annotated[str | None, typer.Option(help="Script of the new pieces.", show_default="hangul")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts.")] = None,
    max_steps: Annotated[
        int | None, typer.Option(help="Steps to take instead of epochs; 0: only the vocabulary.")
    ] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Padded tokens in a batch, over all processes.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens that the model sees at once.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    whole_words: Annotated[
        bool | None, typer.Option("--whole-words/--single-pieces", help="Mask words, or pieces one by one.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Arithmetic: auto, fp32, bf16 or fp16.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of new weights, order and masks.")] = None,
    overwrite: OverwriteOption = False,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare a base for a language or a domain: new WordPieces, then training to guess masked words of plain text."""
    options = locals()  # the options that have a setting's name
    from dpr.data.plain_text import PlainText
    from dpr.train.adaptation.run import Adaptation, adapt
    from dpr.train.engine import RunOptions

    names = {field.name for field in fields(Adaptation)}
    settings = load_config(Adaptation, config, {name: value for name, value in options.items() if name in names})
    rules = ReadRules(encoding, skip_bad_rows)
    texts = {source: PlainText(source, rules) for source in text}
    command = command_line("dpr")
    with show_progress() as progress:
        record = adapt(texts, output, settings, RunOptions(progress, command, overwrite))
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
        show(record, as_json)
