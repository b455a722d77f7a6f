"""``dpr average``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import JsonOption, show


def average_command(
    encoder: Annotated[list[str], typer.Option(metavar="NAME_OR_DIR", help="An encoder pair; two or more.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of their mean.")],
    share: Annotated[
        list[float] | None, typer.Option(metavar="NUMBER", help="How much each counts, once per --encoder; else alike.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Average the weights of several trainings of one start."""
    from dpr.models.average import average

    show(average(encoder, share or [], output, shlex.join(["dpr", *sys.argv[1:]])), as_json)
