"""``dpr export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import JsonOption, OverwriteOption, PassagePromptOption, QuestionPromptOption, show
from dpr.errors import ConfigError
from dpr.types import EncoderOptions


def export_command(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    encoder: Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="The encoder pair.")] = None,
    reader: Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="Or the reader.")] = None,
    form: Annotated[
        str, typer.Option(help="whole: adapters merged, for other libraries; as-is: adapters stay adapters.")
    ] = "whole",
    dtype: Annotated[str, typer.Option(help="Numbers on disk: fp32, fp16 or bf16.")] = "fp32",
    question_prompt: QuestionPromptOption = None,
    passage_prompt: PassagePromptOption = None,
    dimension: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the first N numbers of the encoder's vectors.")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a pair or a reader as whole Hugging Face checkpoints, or its adapters in less space."""
    from dpr.models.export import export
    from dpr.reader.export import export_reader

    options = EncoderOptions(question_prompt, passage_prompt, dimension)
    if encoder is not None and reader is None:
        written = export(encoder, output, form, dtype, options, overwrite)
    elif reader is not None and encoder is None and options == EncoderOptions():
        written = export_reader(reader, output, form, dtype, overwrite)
    else:
        raise ConfigError(
            "dpr export writes one model; give either --encoder or --reader, and prompts or a dimension to an encoder"
        )
    show(written, as_json)
