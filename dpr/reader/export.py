"""A reader written anew: whole weights for other libraries, or its adapter in half the space."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from dpr.models.checkpoint import is_adapter, resolve
from dpr.models.export import DTYPES, check_form, convert_weights
from dpr.models.output import check_output, clear_model
from dpr.reader.model import load_reader_model, save_reader_model

_RECORDS = ("training.json", "tuning.json", "README.md")


def export_reader(
    name: str, output: Path, form: str = "whole", dtype: str = "fp32", overwrite: bool = False
) -> dict[str, object]:
    """Write a reader to another folder and return what was written.

    ``whole`` merges adapters into their base, so that ``AutoModelForQuestionAnswering`` opens it by itself, but for a
    relevance head, which only we read. ``as-is`` keeps an adapter an adapter. ``dtype`` is that of the weights on disk.

    Raises:
        ConfigError: the form or the dtype is not known, the output is the reader itself or its base, or it holds a
            model and ``overwrite`` is not set.
        ModelError: the reader cannot be loaded.
    """
    check_form(form, dtype)
    directory = resolve(name)
    check_output(output, [name], overwrite)
    output.mkdir(parents=True, exist_ok=True)
    clear_model(output)
    if form == "as-is" and is_adapter(directory):
        shutil.copytree(directory, output, dirs_exist_ok=True, ignore=shutil.ignore_patterns("state.*", "best.*"))
        convert_weights(output / "adapter_model.safetensors", DTYPES[dtype])
    else:
        _write_whole(directory, output, DTYPES[dtype])
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    return {"output": str(output), "form": form, "dtype": dtype, "size_bytes": size}


def _write_whole(directory: Path, output: Path, dtype: torch.dtype) -> None:
    network, tokenizer, config = load_reader_model(directory)
    save_reader_model(output, network.to(dtype), tokenizer, config.with_weights_as_they_are())
    for record in _RECORDS:
        if (directory / record).is_file():
            shutil.copyfile(directory / record, output / record)
