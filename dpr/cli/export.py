"""``dpr export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import JsonOption, show


def export_command(
    encoder: Annotated[str, typer.Option(metavar="NAME_OR_DIR", help="The encoder pair.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    form: Annotated[
        str, typer.Option(help="whole: adapters merged, for other libraries; as-is: adapters stay adapters.")
    ] = "whole",
    dtype: Annotated[
        str, typer.Option(help="Numbers on disk: fp32, fp16, bf16; int8: added word embeddings in a byte.")
    ] = "fp32",
    as_json: JsonOption = False,
) -> None:
    """Write a pair as whole Hugging Face checkpoints, or its adapters in less space."""
    from dpr.models.export import export

    show(export(encoder, output, form, dtype), as_json)
