"""Average the weights of several trainings: the mean is often better than each of them.

Trainings from the same start end in one basin, and the mean of their weights is nearer to its center (Wortsman et al.
2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference
time"). A training that continues another one with other data forgets something; their mean forgets less.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dpr.errors import ConfigError, ModelError
from dpr.models.adapters import lora_scale
from dpr.models.checkpoint import base_of, optional_json, read_json
from dpr.models.export import RECORD, ExportFormat, export
from dpr.models.locate import locate_encoders
from dpr.models.output import check_output, clear_model, share_as_folder


def _encoder_bases(name: str) -> tuple[Path, ...]:
    return tuple(base_of(encoder) for encoder in locate_encoders(name)[:2])


class Form(NamedTuple):
    """A kind of model to average: how to copy one to a folder, and how to find its bases."""

    copy: Callable[[str, Path], object]
    bases_of: Callable[[str], tuple[Path, ...]]


ENCODER = Form(partial(export, written_as=ExportFormat("as-is")), _encoder_bases)


def average(
    names: Sequence[str],
    shares: Sequence[float],
    output: Path,
    command: str = "",
    form: Form = ENCODER,
    overwrite: bool = False,
) -> dict[str, object]:
    """Write the weighted mean of several models to a folder, and return the shares.

    Args:
        names: models with one vocabulary: all with whole weights, or all adapters of one rank on one base.
        shares: the weight of each model, above 0; they need not add up to 1. Empty: equal weights.
        output: the folder to write. Tokenizer and settings are those of the last model.
        command: the command for the record.
        form: the kind of model.
        overwrite: whether a model in the output may be replaced.

    Raises:
        ConfigError: there are fewer than two models or not one share for each, or the output is one of them or of their
            bases, or holds a model and ``overwrite`` is not set.
        ModelError: a model cannot be loaded, or differs from the others in form.
    """
    shares = shares or [1.0] * len(names)
    if len(names) < 2 or len(shares) != len(names) or not all(0 < share < math.inf for share in shares):
        raise ConfigError(
            f"{len(names)} models and the shares {list(shares)} do not fit; give two or more models, each with a share "
            "above 0"
        )
    check_output(output, names, overwrite)
    portions = [share / sum(shares) for share in shares]
    bases = {tuple(base.resolve() for base in form.bases_of(name)) for name in names}
    with TemporaryDirectory() as scratch:
        folders = [Path(scratch) / str(number) for number in range(len(names))]
        for name, folder in zip(names, folders, strict=True):
            form.copy(name, folder)
        files = [{path.relative_to(folder) for path in folder.rglob("*.safetensors")} for folder in folders]
        is_adapter = any("adapter" in str(file) for file in files[-1])
        if any(names_of_files != files[-1] for names_of_files in files) or (len(bases) > 1 and is_adapter):
            raise ModelError(
                f"{' and '.join(names)} cannot be averaged, because they differ in form or base; "
                "choose trainings from the same start"
            )
        for folder in folders:
            _to_scales(folder, _scales(folders[-1]))
        for file in files[-1]:
            _average([folder / file for folder in folders], portions)
        clear_model(output)
        shutil.copytree(folders[-1], output, dirs_exist_ok=True)
        trainings = {
            name: {"share": portion, "training": optional_json(folder / RECORD) or None}
            for name, portion, folder in zip(names, portions, folders, strict=True)
        }
    record = {"command": command, "average": trainings}
    (output / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    share_as_folder(output)
    return {"output": str(output), "shares": dict(zip(names, portions, strict=True))}


def _scales(folder: Path) -> dict[Path, float]:
    """Return the scale of each adapter of a model, by its folder."""
    configs = sorted(folder.rglob("adapter_config.json"))
    return {path.parent.relative_to(folder): lora_scale(read_json(path)) for path in configs}


def _to_scales(folder: Path, scales: Mapping[Path, float]) -> None:
    """Rewrite the adapters of a model for other scales, so that each adds what it added."""
    for adapter, scale in _scales(folder).items():
        if (factor := scale / scales[adapter]) != 1:
            path = folder / adapter / "adapter_model.safetensors"
            weights = {
                name: weight * factor if ".lora_B." in name else weight for name, weight in load_file(path).items()
            }
            save_file(weights, path, {"format": "pt"})


def _average(paths: Sequence[Path], portions: Sequence[float]) -> None:
    """Write the mean of the tensors of some files to the last file."""
    with safe_open(paths[-1], framework="pt") as file:
        metadata = file.metadata()
    weights = [load_file(path) for path in paths]
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in weights]
    if any(shapes_of_file != shapes[-1] for shapes_of_file in shapes):
        raise ModelError(
            f"the weights in {paths[-1].name} differ in names or sizes; choose trainings from the same start"
        )
    mean = {name: _mean([tensors[name] for tensors in weights], portions) for name in shapes[-1]}
    save_file(mean, paths[-1], metadata)


def _mean(tensors: Sequence[torch.Tensor], portions: Sequence[float]) -> torch.Tensor:
    if not tensors[-1].is_floating_point():
        return tensors[-1]
    return (
        torch.stack([tensor.double() * portion for tensor, portion in zip(tensors, portions, strict=True)])
        .sum(0)
        .to(tensors[-1].dtype)
    )
