"""AdamW and its learning rate, the same for every training here."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def make_optimizer(
    model: nn.Module, learning_rate: float, weight_decay: float, factors: Mapping[str, float] | None = None
) -> torch.optim.AdamW:
    """Return AdamW over the weights that are trained; biases, LayerNorms and single numbers do not decay.

    ``factors`` gives weights whose name ends so a learning rate of their own, as a multiple of the common one.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            factor = next((factor for ending, factor in (factors or {}).items() if name.endswith(ending)), 1.0)
            groups.setdefault((weight_decay if weight.ndim > 1 else 0.0, factor), []).append(weight)
    described = [
        {"params": weights, "weight_decay": decay, "factor": factor} for (decay, factor), weights in groups.items()
    ]
    return torch.optim.AdamW(described, lr=learning_rate, fused=True)


def warmup_then_linear(step: int, steps: int, warmup_share: float) -> float:
    """Return the factor of the learning rate before a step: linear up over the warm-up, then linear down to 0."""
    warmup = max(1, int(steps * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all of an optimizer's weights one learning rate, times the factor that they were made with."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)
