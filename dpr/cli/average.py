"""``dpr average``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import JsonOption, OverwriteOption, show
from dpr.console import command_line


def average_command(
    encoder: Annotated[
        list[str], typer.Option(metavar="NAME_OR_DIR", help="An encoder pair, or a reader; two or more.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of their mean.")],
    share: Annotated[
        list[float] | None, typer.Option(metavar="NUMBER", help="How much each counts, once per --encoder; else alike.")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Average the weights of several trainings of one start."""
    from dpr.models.average import ENCODER, Form, average
    from dpr.models.checkpoint import base_of, resolve
    from dpr.models.export import ExportFormat
    from dpr.models.pair import split_name
    from dpr.reader.extractive.export import export_reader
    from dpr.reader.extractive.model import CONFIG_FILE

    as_is = ExportFormat("as-is")
    reader = Form(lambda name, folder: export_reader(name, folder, as_is), lambda name: (base_of(resolve(name)),))
    are_readers = all(len(split_name(name)) == 1 and (resolve(name) / CONFIG_FILE).is_file() for name in encoder)
    command = command_line("dpr")
    show(average(encoder, share or [], output, command, reader if are_readers else ENCODER, overwrite), as_json)
