"""The projection of token states to short vectors, as three libraries save it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from dpr.errors import ModelError
from dpr.models.checkpoint import first_line, read_json
from dpr.models.head import ACTIVATIONS, IDENTITY, read_weights


class Projection(nn.Module):
    """A linear map of each token's state, with an activation, and perhaps with the state added again."""

    def __init__(self, linear: nn.Linear, activation: str = IDENTITY, residual: nn.Module | None = None) -> None:
        super().__init__()
        self.linear = linear
        self.activation = ACTIVATIONS[activation]()
        self.residual = residual

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the projected states, (N, T, O), of states (N, T, D), in fp32."""
        with torch.autocast(states.device.type, enabled=False):
            states = states.float()
            projected: torch.Tensor = self.activation(self.linear(states))
            return projected if self.residual is None else projected + self.residual(states)


def read_projection(folder: Path) -> Projection:
    """Read a Dense module of PyLate or sentence-transformers.

    Raises:
        ModelError: it has an unknown activation, or its files cannot be read.
    """
    config = read_json(folder / "config.json")
    activation = config.get("activation_function") or IDENTITY
    if activation not in ACTIVATIONS:
        raise ModelError(f"{folder} has the activation {activation!r}, which is not supported; choose another model")
    try:
        weights = read_weights(folder)
        linear = _linear(weights["linear.weight"], weights.get("linear.bias"))
    except Exception as error:  # a damaged file of weights fails in many ways
        raise ModelError(f"{folder} cannot be read as a Dense module ({first_line(error)}); save it again") from error
    residual: nn.Module | None = None
    if config.get("use_residual"):
        residual = _linear(weights["residual.weight"]) if "residual.weight" in weights else nn.Identity()
    return Projection(linear, activation, residual)


def original_projection(directory: Path) -> Projection:
    """Read the projection among the weights of an original ColBERT checkpoint.

    Raises:
        ModelError: it is not there.
    """
    path = directory / "model.safetensors"
    try:
        if path.is_file():
            with safe_open(path, framework="pt") as file:
                weight: Any = file.get_tensor("linear.weight")
        else:
            weight = read_weights(directory)["linear.weight"]
    except Exception as error:  # safetensors has an error class of its own
        raise ModelError(
            f"{directory} has no projection linear.weight among its weights ({first_line(error)}); copy the model again"
        ) from error
    return Projection(_linear(weight))


def _linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.load_state_dict({"weight": weight.float()} | ({} if bias is None else {"bias": bias.float()}))
    return linear.requires_grad_(requires_grad=False)
