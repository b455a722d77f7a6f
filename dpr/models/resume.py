"""The state of a training run in one safetensors file, so that a killed run goes on exactly where it was.

Holds the trainable weights, AdamW's moments, the random number generator and the step. A crash or a full disk
while it is written leaves the previous state.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from dpr.durable import replacing
from dpr.errors import ModelError

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def save_state(path: Path, step: int, model: nn.Module, optimizer: torch.optim.AdamW, run: str) -> None:
    """Write the state after ``step`` steps; ``run`` identifies the run (its settings and data)."""
    tensors = {"random": torch.get_rng_state()}
    for name, parameter in _trainable(model):
        tensors[f"weight.{name}"] = parameter.detach()
        for moment, value in optimizer.state[parameter].items():
            tensors[f"{moment}.{name}"] = torch.as_tensor(value)
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(path) as unfinished:
        save_file(contiguous, unfinished, {"step": str(step), "run": run})


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.AdamW, run: str) -> int:
    """Put the saved state back and return its step; 0 where there is no file.

    Raises:
        ModelError: the file is damaged, or belongs to a run with other settings or data.
    """
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            if metadata["run"] != run:
                raise ModelError(
                    f"{path} belongs to a run with other settings or data; choose another output directory or delete it"
                )
            for name, parameter in _trainable(model):
                with torch.no_grad():
                    parameter.copy_(file.get_tensor(f"weight.{name}"))
                optimizer.state[parameter] = {moment: file.get_tensor(f"{moment}.{name}") for moment in _MOMENTS}
            torch.set_rng_state(file.get_tensor("random"))
            return int(metadata["step"])
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be read as a training state ({error}); delete it to start again") from error


def _trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
