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
    cross_encoder: Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="Or the cross-encoder.")] = None,
    form: Annotated[
        str, typer.Option(help="whole: adapters merged, for other libraries; as-is: adapters stay adapters.")
    ] = "whole",
    dtype: Annotated[str, typer.Option(help="Numbers on disk: fp32, fp16, bf16, or for adapters fp8.")] = "fp32",
    lora_rank: Annotated[
        int, typer.Option(min=0, metavar="N", help="Lower the rank of an adapter that stays an adapter; 0: keep it.")
    ] = 0,
    question_prompt: QuestionPromptOption = None,
    passage_prompt: PassagePromptOption = None,
    dimension: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the first N numbers of the encoder's vectors.")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a pair, a reader or a cross-encoder as whole Hugging Face checkpoints, or its adapters in less space."""
    from dpr.models.export import ExportFormat, export, export_cross_encoder
    from dpr.reader.extractive.export import export_reader

    options = EncoderOptions(question_prompt, passage_prompt, dimension)
    models = [name for name in (encoder, reader, cross_encoder) if name is not None]
    if len(models) != 1 or (encoder is None and options != EncoderOptions()):
        raise ConfigError(
            "dpr export writes one model; give one of --encoder, --reader and --cross-encoder, and prompts or a "
            "dimension to an encoder"
        )
    written_as = ExportFormat(form, dtype, lora_rank)
    if encoder is not None:
        record = export(encoder, output, written_as, options, overwrite)
    else:
        write = export_reader if cross_encoder is None else export_cross_encoder
        record = write(models[0], output, written_as, overwrite)
    show(record, as_json)
