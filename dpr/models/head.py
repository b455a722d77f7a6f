"""The modules after the pooling, as in sentence-transformers: each maps features to features.

A module changes the entry ``sentence_embedding`` of the features, (N, D), and has the same files as the module of the
same name in sentence-transformers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from dpr.errors import ModelError
from dpr.models.checkpoint import optional_json, read_json

Features = dict[str, torch.Tensor]
Head = tuple[nn.Module, ...]

ACTIVATIONS = {
    f"torch.nn.modules.{path}": module
    for path, module in {
        "linear.Identity": nn.Identity,
        "activation.Tanh": nn.Tanh,
        "activation.ReLU": nn.ReLU,
        "activation.GELU": nn.GELU,
        "activation.SiLU": nn.SiLU,
        "activation.Sigmoid": nn.Sigmoid,
        "activation.LeakyReLU": nn.LeakyReLU,
        "activation.ELU": nn.ELU,
        "activation.Mish": nn.Mish,
        "activation.Softplus": nn.Softplus,
    }.items()
}
IDENTITY, TANH = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Tanh"


class Dense(nn.Module):
    """A linear map with an activation."""

    def __init__(self, linear: nn.Linear, activation: str = IDENTITY) -> None:
        super().__init__()
        self.linear = linear
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]()

    def forward(self, features: Features) -> Features:
        """Return the features with the embedding (N, D) mapped to (N, O), in fp32."""
        embedding = features["sentence_embedding"]
        with torch.autocast(embedding.device.type, enabled=False):
            return {**features, "sentence_embedding": self.activation(self.linear(embedding.float()))}

    def save(self, folder: str) -> None:
        """Write the module to a folder."""
        config = {
            "in_features": self.linear.in_features,
            "out_features": self.linear.out_features,
            "bias": self.linear.bias is not None,
            "activation_function": self.activation_name,
        }
        _write(Path(folder), config, {f"linear.{name}": weight for name, weight in self.linear.state_dict().items()})

    @classmethod
    def load(cls, folder: str) -> Dense:
        """Read a module from a folder.

        Raises:
            ModelError: the module is not just a linear map with a known activation.
        """
        config = read_json(Path(folder) / "config.json")
        activation = config.get("activation_function", TANH)
        if activation not in ACTIVATIONS:
            supported = ", ".join(name.rpartition(".")[2] for name in ACTIVATIONS)
            raise ModelError(
                f"{folder} has the activation {activation!r}, which is not supported; "
                f"choose an encoder with one of {supported}"
            )
        names = {config.get("module_input_name"), config.get("module_output_name")}
        if config.get("use_residual") or names - {None, "sentence_embedding"}:
            raise ModelError(
                f"{folder} is a Dense module with a residual or for other than sentence embeddings, which is not "
                "supported; choose another encoder"
            )
        linear = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
        linear.load_state_dict(read_weights(Path(folder), "linear."))
        return cls(linear, activation)


class LayerNorm(nn.Module):
    """A layer normalization with weights."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, features: Features) -> Features:
        """Return the features with the embedding (N, D) normalized."""
        return {**features, "sentence_embedding": self.norm(features["sentence_embedding"].float())}

    def save(self, folder: str) -> None:
        """Write the module to a folder."""
        weights = {f"norm.{name}": weight for name, weight in self.norm.state_dict().items()}
        _write(Path(folder), {"dimension": self.norm.normalized_shape[0]}, weights)

    @classmethod
    def load(cls, folder: str) -> LayerNorm:
        """Read a module from a folder."""
        norm = nn.LayerNorm(read_json(Path(folder) / "config.json")["dimension"])
        norm.load_state_dict(read_weights(Path(folder), "norm."))
        return cls(norm)


class Normalize(nn.Module):
    """Scales the embedding to length 1."""

    def forward(self, features: Features) -> Features:
        """Return the features with the embedding (N, D) scaled to length 1."""
        embedding = nn.functional.normalize(features["sentence_embedding"], dim=-1)
        return {**features, "sentence_embedding": embedding}

    def save(self, folder: str) -> None:
        """Write nothing: the module has no settings."""

    @classmethod
    def load(cls, folder: str) -> Normalize:
        """Read a module from a folder, which need not exist.

        Raises:
            ModelError: the module normalizes other embeddings.
        """
        config = optional_json(Path(folder) / "config.json")
        if set(config.values()) - {"sentence_embedding"}:
            raise ModelError(f"{folder} normalizes other than sentence embeddings; choose another encoder")
        return cls()


MODULES: dict[str, Any] = {"Dense": Dense, "LayerNorm": LayerNorm, "Normalize": Normalize}
"""Modules by their names in ``modules.json``; Dropout does nothing at inference and is skipped."""


def head_dimension(dimension: int, head: Sequence[nn.Module]) -> int:
    """Return the length of the output vectors of a head for input vectors of ``dimension`` numbers.

    Raises:
        ModelError: a module expects vectors of another length.
    """
    for module in head:
        takes, gives = _widths(module, dimension)
        if takes != dimension:
            raise ModelError(
                f"a {type(module).__name__} after the pooling expects vectors of {takes} numbers and gets {dimension}; "
                "its files are those of another model, so save the model again"
            )
        dimension = gives
    return dimension


def _widths(module: nn.Module, dimension: int) -> tuple[int, int]:
    """Return the lengths of a module's input and output vectors, for a pooled vector of D numbers."""
    if isinstance(module, Dense):
        return module.linear.in_features, module.linear.out_features
    if isinstance(module, LayerNorm):
        return module.norm.normalized_shape[0], module.norm.normalized_shape[0]
    return dimension, dimension


def read_weights(folder: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    """Return a module's weights from either file, as fp32, by their names without a prefix."""
    path, old = folder / "model.safetensors", folder / "pytorch_model.bin"
    weights = load_file(path) if path.is_file() or not old.is_file() else torch.load(old, "cpu", weights_only=True)
    return {name.removeprefix(prefix): weight.float() for name, weight in weights.items()}


def _write(folder: Path, config: dict[str, object], weights: dict[str, torch.Tensor]) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "model.safetensors")
