"""``dpr adapt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import JsonOption, OverwriteOption, show
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.config import DEFAULT_BASE, load_config
from dpr.console import show_progress
from dpr.data.intake import ReadRules


def adapt_command(
    text: Annotated[
        list[str],
        typer.Option(metavar="SOURCE", help="Texts: a .txt or .txt.gz file of one a line, or passages; repeatable."),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the base; an interrupted run goes on in it.")],
    base: Annotated[
        str | None, typer.Option(metavar="NAME_OR_DIR", help="The BERT to start from.", show_default=DEFAULT_BASE)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings; options here win over it.")
    ] = None,
    vocabulary_size: Annotated[
        int | None, typer.Option(help="New WordPieces to learn from the texts.", show_default="none")
    ] = None,
    script: Annotated[str | None, typer.Option(help="Script of the new pieces.", show_default="hangul")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts.")] = None,
    max_steps: Annotated[
        int | None, typer.Option(help="Steps to take instead of epochs; 0: only the vocabulary.")
    ] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Padded tokens in one step.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens that the model sees at once.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    whole_words: Annotated[
        bool | None, typer.Option("--whole-words/--single-pieces", help="Mask words, or pieces one by one.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Arithmetic: auto, fp32 or bf16.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of new weights, order and masks.")] = None,
    overwrite: OverwriteOption = False,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare a base for a language or a domain: new WordPieces, then training to guess masked words of plain text."""
    from dpr.data.plain_text import PlainText
    from dpr.train.adaptation.run import Adaptation, adapt

    options = {
        "base": base,
        "vocabulary_size": vocabulary_size,
        "script": script,
        "epochs": epochs,
        "max_steps": max_steps,
        "batch_tokens": batch_tokens,
        "max_tokens": max_tokens,
        "learning_rate": learning_rate,
        "whole_words": whole_words,
        "precision": precision,
        "seed": seed,
    }
    rules = ReadRules(encoding, skip_bad_rows)
    settings = load_config(Adaptation, config, options)
    with show_progress() as progress:
        summary = adapt({source: PlainText(source, rules) for source in text}, output, settings, progress, overwrite)
    show(summary, as_json)
