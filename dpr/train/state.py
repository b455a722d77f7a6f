"""The state of a training run in one safetensors file, from which a killed run resumes exactly.

It holds the trainable weights, AdamW's moments, the state of the random number generator and the step. A crash or a
full disk while it is written leaves the previous state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from dpr.durable import replacing
from dpr.errors import ModelError

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def save_state(
    path: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.AdamW,
    run: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the state after ``step`` steps; ``run`` identifies the run (its settings and data)."""
    tensors = {"random": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        tensors["random_cuda"] = torch.cuda.get_rng_state()
    for name, parameter in _trainable(model):
        tensors[f"weight.{name}"] = parameter.detach()
        for moment, value in optimizer.state[parameter].items():
            tensors[f"{moment}.{name}"] = torch.as_tensor(value)
    _write(path, tensors, {**(metadata or {}), "step": str(step), "run": run})


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.AdamW, run: str) -> tuple[int, dict[str, str]]:
    """Restore the saved state; return its step and its metadata, or 0 and nothing without a file.

    Raises:
        ModelError: the file is damaged, or belongs to a run with other settings or data.
    """
    if not path.is_file():
        return 0, {}
    with _open_state(path, run) as file:
        names = set(file.keys())
        for name, parameter in _trainable(model):
            with torch.no_grad():
                parameter.copy_(file.get_tensor(f"weight.{name}"))
            if f"step.{name}" in names:
                moments = {moment: file.get_tensor(f"{moment}.{name}") for moment in _MOMENTS}
                optimizer.state[parameter] = {
                    moment: value if moment == "step" and parameter.device.type == "cpu" else value.to(parameter.device)
                    for moment, value in moments.items()
                }
        torch.set_rng_state(file.get_tensor("random"))
        if "random_cuda" in names and torch.cuda.is_available():
            torch.cuda.set_rng_state(file.get_tensor("random_cuda"))
        metadata = file.metadata()
        return int(metadata["step"]), metadata


def save_weights(path: Path, model: nn.Module, run: str) -> None:
    """Write the trainable weights."""
    _write(path, {f"weight.{name}": parameter.detach() for name, parameter in _trainable(model)}, {"run": run})


def load_weights(path: Path, model: nn.Module, run: str) -> None:
    """Restore the trainable weights.

    Raises:
        ModelError: the file is damaged, or belongs to a run with other settings or data.
    """
    with _open_state(path, run) as file, torch.no_grad():
        for name, parameter in _trainable(model):
            parameter.copy_(file.get_tensor(f"weight.{name}"))


def _write(path: Path, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str]) -> None:
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    try:
        with replacing(path) as unfinished:
            save_file(contiguous, unfinished, metadata)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path} cannot be written ({error}); fix that and run the same command again, "
            "which resumes from the last saved state"
        ) from error


@contextmanager
def _open_state(path: Path, run: str) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            if file.metadata()["run"] != run:
                raise ModelError(
                    f"{path} belongs to a run with other settings or data; choose another output directory or delete it"
                )
            yield file
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise ModelError(f"{path} cannot be read as a training state ({error}); delete it to start again") from error


def _trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
