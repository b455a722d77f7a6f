"""Small trained parts on a base that stays as it is: LoRA matrices, and the rows of added WordPieces.

An adapter's directory holds peft's own files. Where the vocabulary was extended it also holds the tokenizer and
``vocabulary.safetensors``: the added rows of the word embeddings, ``rows`` (N, D), with the name of the base. A
directory with the rows alone is a base too.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from dpr.errors import ModelError

ROWS_FILE = "vocabulary.safetensors"
_PEFT_PREFIX = "base_model.model."


class ExtendedEmbedding(nn.Module):
    """Word embeddings of a base that stay as they are, and further rows that are trained."""

    def __init__(self, base: nn.Embedding, rows: torch.Tensor) -> None:
        super().__init__()
        self.base = base.requires_grad_(requires_grad=False)
        self.rows = nn.Parameter(rows.clone())

    @property
    def weight(self) -> torch.Tensor:
        """All rows, (V + N, D)."""
        return torch.cat([self.base.weight, self.rows])

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return the rows of token ids, (…, D), without a copy of the whole matrix."""
        known = len(self.base.weight)
        is_added = input_ids >= known
        old = self.base(input_ids.clamp(max=known - 1))
        new = functional.embedding((input_ids - known).clamp(min=0), self.rows)
        return torch.where(is_added.unsqueeze(-1), new, old)


def read_rows(directory: Path) -> tuple[torch.Tensor, str] | None:
    """Return a directory's added rows, (N, D) fp32, and the name of their base; None where there are none."""
    path = directory / ROWS_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            scales = file.get_tensor("scales") if "scales" in file.keys() else 1.0  # noqa: SIM118 - no mapping
            return file.get_tensor("rows").float() * scales, file.metadata()["base"]
    except (SafetensorError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read as added word embeddings ({error}); save the model again") from error


def write_rows(directory: Path, rows: torch.Tensor, base: str, dtype: torch.dtype = torch.float32) -> None:
    """Write the added rows of word embeddings, (N, D), and the name of the base that they are added to.

    As int8 a row is written as whole numbers up to 127, with what they are multiplied by: a quarter of the space, and
    a cosine above 0.9999 with the row itself.
    """
    tensors = {"rows": rows.detach()}
    if dtype == torch.int8:
        scales = tensors["rows"].abs().amax(1, keepdim=True).clamp(min=1e-12) / 127  # (N, 1)
        tensors = {"rows": (tensors["rows"] / scales).round(), "scales": scales}
    tensors["rows"] = tensors["rows"].to(dtype).contiguous()
    save_file(tensors, directory / ROWS_FILE, {"base": base})


def append_rows(model: Any, rows: torch.Tensor) -> None:
    """Give a model the added rows as part of its word embeddings.

    Raises:
        ModelError: the rows have another width than the model.
    """
    old = model.get_input_embeddings()
    _refuse_width(old, rows)
    old_count = len(old.weight)
    # a head that is tied to the word embeddings grows with them
    model.resize_token_embeddings(old_count + len(rows), mean_resizing=False)
    with torch.no_grad():
        model.get_input_embeddings().weight[old_count:] = rows


def train_rows(model: Any, rows: torch.Tensor) -> None:
    """Give a model the added rows as the only word embeddings that are trained.

    Raises:
        ModelError: the rows have another width than the model.
    """
    old = model.get_input_embeddings()
    _refuse_width(old, rows)
    model.set_input_embeddings(ExtendedEmbedding(old, rows))


def _refuse_width(old: nn.Embedding, rows: torch.Tensor) -> None:
    if rows.shape[1] != old.embedding_dim:
        raise ModelError(
            f"the added word embeddings have {rows.shape[1]} numbers each and the base's {old.embedding_dim}; "
            "they were made for another base"
        )


def adapter_weights(directory: Path) -> set[str]:
    """Return the names of the weights that an adapter's directory holds, as its base knows them."""
    with safe_open(directory / "adapter_model.safetensors", framework="pt") as file:
        return {name.removeprefix(_PEFT_PREFIX) for name in file.keys()}  # noqa: SIM118 - no mapping


def merge_adapter(model: Any, directory: Path, weights: set[str]) -> Any:
    """Return the model with an adapter merged in: its own, or that of its encoder where it has a head on top.

    The names of the adapter's ``weights`` tell which.
    """
    from peft import PeftModel

    with_head = any(name.startswith(f"{model.base_model_prefix}.") for name in weights)
    if with_head or model.base_model is model:
        return PeftModel.from_pretrained(model, str(directory)).merge_and_unload()
    encoder = PeftModel.from_pretrained(model.base_model, str(directory)).merge_and_unload()
    setattr(model, model.base_model_prefix, encoder)
    return model


def add_lora(model: Any, rank: int, alpha: int, base_name: str, **options: Any) -> Any:
    """Return the model with a LoRA adapter over all its linear layers, whose base is known as ``base_name``."""
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(model, LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", **options))
    # the adapter names its base as the user did, not where it lay on this machine
    adapted.peft_config["default"].base_model_name_or_path = base_name
    fold_lora(adapted)
    return adapted


def fold_lora(model: Any) -> None:
    """Make every LoRA layer multiply once, by W + s·BA, where peft multiplies by W, A and B in turn.

    The function and its gradients are the same. A training chunk has more tokens than the layers are wide, so that the
    sum of the small matrices costs next to nothing, and training an adapter no more than training whole weights. A
    layer with dropout, or of a variant such as DoRA, is another function and stays as it is.
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
