"""LoRA adapters: small trained matrices on a frozen base, in the files of peft."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional

from dpr.errors import ModelError

_PEFT_PREFIX = "base_model.model."


def adapter_weights(directory: Path) -> set[str]:
    """Return the names of an adapter's weights, by the names of its base."""
    with safe_open(directory / "adapter_model.safetensors", framework="pt") as file:
        return {name.removeprefix(_PEFT_PREFIX) for name in file.keys()}  # noqa: SIM118 - no mapping


def lora_scale(config: Mapping[str, Any]) -> float:
    """Return the s that an adapter multiplies BA by: alpha/r (Hu et al. 2021), or alpha/√r (Kalajdzievski 2023)."""
    rank: int = config.get("r", 8)  # peft's defaults
    alpha: float = config.get("lora_alpha", 8)
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def merge_adapter(model: Any, directory: Path, weights: set[str]) -> Any:
    """Return the model with an adapter merged in: an adapter of the model, or of its encoder without a head.

    The names of the adapter's ``weights`` show which.

    Raises:
        ModelError: it is the adapter of another kind of model.
    """
    from peft import PeftModel

    with_head = any(name.startswith(f"{model.base_model_prefix}.") for name in weights)
    check_adapter(model if with_head else model.base_model, directory, weights)
    if with_head or model.base_model is model:
        return PeftModel.from_pretrained(model, str(directory)).merge_and_unload()
    encoder = PeftModel.from_pretrained(model.base_model, str(directory)).merge_and_unload()
    setattr(model, model.base_model_prefix, encoder)
    return model


def check_adapter(model: Any, directory: Path, weights: set[str]) -> None:
    """Refuse an adapter with weights for layers that a model does not have: peft leaves these out, and only warns.

    Raises:
        ModelError: it has some.
    """
    layers = {name for name, _ in model.named_modules()}
    for name in sorted(weights):
        layer = name.partition(".lora_")[0] if ".lora_" in name else name.partition(".")[0]
        if layer not in layers and "pooler" not in name:  # no encoder and no reader here uses one
            raise ModelError(
                f"{directory} is an adapter of another kind of model than {type(model).__name__}, without {layer}; "
                "give a model that was trained for this"
            )


def add_lora(model: Any, rank: int, alpha: int, base_name: str, **options: Any) -> Any:
    """Return the model with a LoRA adapter on all linear layers, which names its base ``base_name``."""
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(model, LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", **options))
    # the adapter stores the user's name of the base, not its path on this machine
    adapted.peft_config["default"].base_model_name_or_path = base_name
    fold_lora(adapted)
    return adapted


def save_weights(model: Any, folder: Path) -> bool:
    """Write a model's whole weights, or its adapter; return whether it is an adapter."""
    is_adapter = hasattr(model, "peft_config")
    # to find out whether word embeddings changed, peft would ask the hub for the base
    model.save_pretrained(folder, **({"save_embedding_layers": False} if is_adapter else {}))
    if is_adapter:
        (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
    return is_adapter


def fold_lora(model: Any) -> None:
    """Make every LoRA layer multiply once, by W + s·BA; peft multiplies by W, A and B in turn.

    The function and its gradients are the same. A training chunk has more tokens than a layer is wide, so the sum of
    the matrices costs little, and training an adapter takes no longer than training all weights. A layer with dropout,
    or of a variant such as DoRA, is another function and is not changed.
    """
    from peft.tuners.lora import Linear

    for layer in model.modules():
        if (
            isinstance(layer, Linear)
            and not layer.lora_variant
            and isinstance(layer.lora_dropout["default"], nn.Identity)
        ):
            layer.forward = partial(_folded, layer)  # type: ignore[method-assign]


def _folded(layer: Any, states: torch.Tensor) -> torch.Tensor:
    """Return the states (…, I) times W + s·BA, (…, O); A is (R, I) and B (O, R)."""
    base, down, up = layer.base_layer, layer.lora_A["default"].weight, layer.lora_B["default"].weight
    return functional.linear(states, base.weight + layer.scaling["default"] * (up @ down), base.bias)
