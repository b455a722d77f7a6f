"""``dpr adapt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import ConfigOption, JsonOption, OverwriteOption, TrainingPrecisionOption
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.cli.training import settings_of, show_record, training_run
from dpr.config import DEFAULT_BASE
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
    config: ConfigOption = None,
    vocabulary_size: Annotated[
        int | None, typer.Option(help="New WordPieces to learn from the texts.", show_default="none")
    ] = None,
    script: Annotated[str | None, typer.Option(help="Script of the new pieces.", show_default="hangul")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts.", show_default="1")] = None,
    max_steps: Annotated[
        int | None, typer.Option(help="Steps to take instead of epochs; 0: only the vocabulary.")
    ] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Padded tokens in a batch, over all processes.", show_default="4096")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Tokens that the model sees at once.", show_default="128")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.", show_default="0.0002")] = None,
    whole_words: Annotated[
        bool | None, typer.Option("--whole-words/--single-pieces", help="Mask words, or pieces one by one.")
    ] = None,
    precision: TrainingPrecisionOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of new weights, order and masks.", show_default="1")] = None,
    overwrite: OverwriteOption = False,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare a base for a language or a domain: new WordPieces, then training to guess masked words of plain text."""
    options = locals()  # the options that have a setting's name
    from dpr.data.plain_text import PlainText
    from dpr.train.adaptation.run import Adaptation, adapt

    settings = settings_of(Adaptation, config, options)
    rules = ReadRules(encoding, skip_bad_rows)
    texts = {source: PlainText(source, rules) for source in text}
    with training_run(overwrite) as run:
        record = adapt(texts, output, settings, run)
    show_record(record, as_json)
