"""Lower the rank of a LoRA adapter to save space."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from dpr.errors import ConfigError, ModelError
from dpr.models.adapters import lora_scale
from dpr.models.checkpoint import read_json

_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_PLAIN = {"peft_type": "LORA", "use_dora": False, "rank_pattern": {}, "alpha_pattern": {}, "lora_bias": False}
"""Settings of an adapter whose layers all add s·BA with one rank and one s; these are also the defaults."""


def lower_rank(folder: Path, rank: int) -> None:
    """Rewrite an adapter so that each layer's matrix s·BA is the nearest one of a lower rank (Eckart and Young 1936).

    The new matrices are fp32, whatever the adapter's are: the caller rounds them once.
    A trained adapter uses few of its directions: half the rank often keeps 97 % of the squared change.

    Raises:
        ConfigError: the rank is not lower than the adapter's.
        ModelError: the adapter is no plain LoRA.
    """
    config = read_json(folder / "adapter_config.json")
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    unusual = [name for name, value in _PLAIN.items() if config.get(name, value) != value]
    unusual += [name for name in weights if ".lora_" in name and not name.endswith((_DOWN, _UP))]
    if unusual:
        raise ModelError(
            f"the adapter is no plain LoRA ({unusual[0]}), so its rank cannot be lowered; omit --lora-rank"
        )
    if rank >= config["r"]:
        raise ConfigError(f"--lora-rank is {rank} and the adapter's rank {config['r']}; give a lower one")
    scale = lora_scale(config)
    for name in [name for name in weights if name.endswith(_DOWN)]:
        up_name = name.removesuffix(_DOWN) + _UP
        down, up = _nearest(weights[name], scale * weights[up_name].float(), rank)
        weights |= {name: down, up_name: up}
    save_file(weights, path, {"format": "pt"})
    config |= {"r": rank, "lora_alpha": rank, "use_rslora": False}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _nearest(down: torch.Tensor, up: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A (rank, I) and B (O, rank) of the product nearest to that of ``down`` (R, I) and ``up`` (O, R)."""
    inner, down_rest = torch.linalg.qr(down.float().T)  # (I, R), (R, R)
    outer, up_rest = torch.linalg.qr(up)  # (O, R), (R, R)
    u, values, vh = torch.linalg.svd(up_rest @ down_rest.T)
    roots = values[:rank].sqrt()
    return ((roots[:, None] * vh[:rank]) @ inner.T).contiguous(), (outer @ u[:, :rank] * roots).contiguous()
