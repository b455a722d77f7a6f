"""``dpr export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import JsonOption, OverwriteOption, show
from dpr.errors import ConfigError


def export_command(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    encoder: Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="The encoder pair.")] = None,
    reader: Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="Or the reader.")] = None,
    form: Annotated[
        str, typer.Option(help="whole: adapters merged, for other libraries; as-is: adapters stay adapters.")
    ] = "whole",
    dtype: Annotated[
        str, typer.Option(help="Numbers on disk: fp32, fp16, bf16; int8: added word embeddings in a byte.")
    ] = "fp32",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a pair or a reader as whole Hugging Face checkpoints, or its adapters in less space."""
    from dpr.models.export import export
    from dpr.reader.export import export_reader

    if encoder is not None and reader is None:
        written = export(encoder, output, form, dtype, overwrite)
    elif reader is not None and encoder is None:
        written = export_reader(reader, output, form, dtype, overwrite)
    else:
        raise ConfigError("dpr export writes one model; give either --encoder or --reader")
    show(written, as_json)
