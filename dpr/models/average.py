"""The mean of several trainings' weights: one encoder, or reader, often better than each of them.

Trainings of one start end in one basin, and the mean of their weights lies nearer its middle (Wortsman et al. 2022,
"Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time"). A
training that goes on from another, with other data, forgets some of what the other learned: their mean forgets less.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dpr.errors import ConfigError, ModelError
from dpr.models.checkpoint import base_of, read_json
from dpr.models.export import RECORD, export
from dpr.models.locate import locate_encoders
from dpr.models.output import check_output, clear_model


def _encoder_bases(name: str) -> tuple[Path, ...]:
    return tuple(base_of(encoder) for encoder in locate_encoders(name)[:2])


class Form(NamedTuple):
    """What is averaged: how one is copied to a folder as it is, and which bases it stands on."""

    copy: Callable[[str, Path], object]
    bases_of: Callable[[str], tuple[Path, ...]]


ENCODER = Form(partial(export, form="as-is"), _encoder_bases)


def average(
    names: Sequence[str],
    shares: Sequence[float],
    output: Path,
    command: str = "",
    form: Form = ENCODER,
    overwrite: bool = False,
) -> dict[str, object]:
    """Write the weighted mean of some encoders to another folder, and return what was done.

    Args:
        names: encoders of one form: all whole weights, or all adapters of one rank on one base; and one vocabulary.
        shares: how much each counts, above 0; they need not add up to 1. Empty: all alike.
        output: the folder to write. What is no weight (tokenizer, lengths) is the last encoder's.
        command: what the record says it was made by.
        form: what they are, if no encoders.
        overwrite: whether a model that the output holds may be replaced.

    Raises:
        ConfigError: there are fewer than two encoders, not one share for each, or the output is one of them or of their
            bases, or holds a model and ``overwrite`` is not set.
        ModelError: an encoder cannot be loaded, or differs from the others in form.
    """
    shares = shares or [1.0] * len(names)
    if len(names) < 2 or len(shares) != len(names) or not all(0 < share < math.inf for share in shares):
        raise ConfigError(
            f"{len(names)} encoders and the shares {list(shares)}: give two or more, each a share above 0"
        )
    check_output(output, names, overwrite)
    portions = [share / sum(shares) for share in shares]
    bases = {form.bases_of(name) for name in names}
    with TemporaryDirectory() as scratch:
        parts = [Path(scratch) / str(number) for number in range(len(names))]
        for name, part in zip(names, parts, strict=True):
            form.copy(name, part)
        files = [{path.relative_to(part) for path in part.rglob("*.safetensors")} for part in parts]
        if any(one != files[-1] for one in files) or (
            len(bases) > 1 and any("adapter" in str(one) for one in files[-1])
        ):
            raise ModelError(
                f"{' and '.join(names)} cannot be averaged: they differ in form or base; choose trainings of one start"
            )
        for file in files[-1]:
            _average([part / file for part in parts], portions)
        clear_model(output)
        shutil.copytree(parts[-1], output, dirs_exist_ok=True)
        described = {
            name: {"share": portion, "training": _record(part)}
            for name, portion, part in zip(names, portions, parts, strict=True)
        }
    record = {"command": command, "average": described}
    (output / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return {"output": str(output), "shares": dict(zip(names, portions, strict=True))}


def _average(paths: Sequence[Path], portions: Sequence[float]) -> None:
    """Write the mean of some files' tensors to the last of them."""
    with safe_open(paths[-1], framework="pt") as file:
        metadata = file.metadata()
    weights = [load_file(path) for path in paths]
    shapes = [{name: tensor.shape for name, tensor in one.items()} for one in weights]
    if any(one != shapes[-1] for one in shapes):
        raise ModelError(f"{paths[-1].name} has weights of other names or sizes in each; choose trainings of one start")
    mean = {name: _mean([one[name] for one in weights], portions) for name in shapes[-1]}
    save_file(mean, paths[-1], metadata)


def _mean(tensors: Sequence[torch.Tensor], portions: Sequence[float]) -> torch.Tensor:
    if not tensors[-1].is_floating_point():
        return tensors[-1]
    return (
        torch.stack([tensor.double() * portion for tensor, portion in zip(tensors, portions, strict=True)])
        .sum(0)
        .to(tensors[-1].dtype)
    )


def _record(folder: Path) -> dict[str, Any] | None:
    path = folder / RECORD
    return read_json(path) if path.is_file() else None
