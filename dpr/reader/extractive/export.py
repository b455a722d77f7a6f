"""Export a reader: whole weights for other libraries, or its adapter in less space."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from dpr.models.checkpoint import is_adapter, resolve
from dpr.models.export import ExportFormat, convert_weights, converted_model, size_of, summary
from dpr.models.lower_rank import lower_rank
from dpr.models.output import check_output, copy_adapter, replaced_model
from dpr.reader.extractive.model import load_reader_model, save_reader_model

_RECORDS = ("training.json", "tuning.json")


def export_reader(
    name: str,
    output: Path,
    written_as: ExportFormat = ExportFormat(),  # noqa: B008 - frozen
    overwrite: bool = False,
) -> dict[str, object]:
    """Write a reader to another folder and return a summary.

    ``AutoModelForQuestionAnswering`` can open ``whole`` weights, without the relevance head.

    Raises:
        ConfigError: there is no adapter of a higher rank, the output is the reader itself or its base, or it holds a
            model and ``overwrite`` is not set.
        ModelError: the reader cannot be loaded, or its numbers are outside the dtype's range.
    """
    directory = resolve(name)
    written_as.check_adapters([directory])
    check_output(output, [name], overwrite)
    with replaced_model(output) as folder:
        if written_as.form == "as-is" and is_adapter(directory):
            copy_adapter(directory, folder)
            if written_as.lora_rank:
                lower_rank(folder, written_as.lora_rank)
            convert_weights(folder / "adapter_model.safetensors", written_as.torch_dtype)
        else:
            _write_whole(directory, folder, written_as.torch_dtype)
        size = size_of(folder)
    return {"output": str(output), **summary(written_as), "size_bytes": size}


def _write_whole(directory: Path, output: Path, dtype: torch.dtype) -> None:
    network, tokenizer, config = load_reader_model(directory)
    save_reader_model(output, converted_model(network, dtype), tokenizer, config)
    for record in _RECORDS:
        if (directory / record).is_file():
            shutil.copyfile(directory / record, output / record)
