"""Export a reader: whole weights for other libraries, or its adapter in half the space."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from dpr.models.checkpoint import is_adapter, resolve
from dpr.models.export import DTYPES, check_form, check_rank, convert_weights, size_of
from dpr.models.lower_rank import lower_rank
from dpr.models.output import check_output, copy_adapter, replaced_model
from dpr.reader.extractive.model import load_reader_model, save_reader_model

_RECORDS = ("training.json", "tuning.json")


def export_reader(
    name: str, output: Path, form: str = "whole", dtype: str = "fp32", overwrite: bool = False, lora_rank: int = 0
) -> dict[str, object]:
    """Write a reader to another folder and return a summary.

    ``whole`` merges adapters into their base, so that ``AutoModelForQuestionAnswering`` can open the reader, without
    its relevance head. ``as-is`` keeps an adapter, with a lower ``lora_rank`` if it is not 0. ``dtype`` is that of the
    weights on disk.

    Raises:
        ConfigError: the form or the dtype is unknown, there is no adapter of a higher rank, the output is the reader
            itself or its base, or it holds a model and ``overwrite`` is not set.
        ModelError: the reader cannot be loaded.
    """
    check_form(form, dtype)
    directory = resolve(name)
    check_rank(lora_rank, form, [directory])
    check_output(output, [name], overwrite)
    with replaced_model(output) as folder:
        if form == "as-is" and is_adapter(directory):
            copy_adapter(directory, folder)
            if lora_rank:
                lower_rank(folder, lora_rank)
            convert_weights(folder / "adapter_model.safetensors", DTYPES[dtype])
        else:
            _write_whole(directory, folder, DTYPES[dtype])
        size = size_of(folder)
    return {"output": str(output), "form": form, "dtype": dtype, "size_bytes": size}


def _write_whole(directory: Path, output: Path, dtype: torch.dtype) -> None:
    network, tokenizer, config = load_reader_model(directory)
    save_reader_model(output, network.to(dtype), tokenizer, config)
    for record in _RECORDS:
        if (directory / record).is_file():
            shutil.copyfile(directory / record, output / record)
