"""``dpr whiten``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import DataOption, JsonOption, OverwriteOption, show
from dpr.console import show_progress


def whiten_command(
    encoder: Annotated[str, typer.Option(metavar="NAME_OR_DIR", help="The encoder pair.")],
    data: DataOption,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the whitened pair.")],
    power: Annotated[float, typer.Option(help="Above 0 up to 1, where all directions vary alike.")] = 0.6,
    limit: Annotated[int, typer.Option(help="Questions, and passages, to take of each source.")] = 2000,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Even out an encoder's vectors by a linear map after its pooling, computed from questions and passages."""
    from dpr.data.passages import read_examples
    from dpr.train.batches import Source
    from dpr.train.whitening import whiten

    sources = [Source(one, list(read_examples(one))) for one in data]
    command = shlex.join(["dpr", *sys.argv[1:]])
    with show_progress() as progress:
        summary = whiten(encoder, sources, output, power, limit, command, progress, overwrite)
    show(summary, as_json)
