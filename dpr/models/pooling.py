"""Pooling: from token states to one vector for each text, by the modes of sentence-transformers; padding is at the end.

Several modes joined by ``+``, such as ``cls+mean``, are concatenated in their order.
"""

from __future__ import annotations

import torch


def mean_pooling(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of the token states that are not padding: (N, T, D), (N, T) -> (N, D)."""
    weights = mask.unsqueeze(-1).to(states.dtype)  # (N, T, 1)
    return (states * weights).sum(1) / weights.sum(1)


def root_length_pooling(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the sum of the token states over the square root of their number: (N, T, D), (N, T) -> (N, D)."""
    weights = mask.unsqueeze(-1).to(states.dtype)  # (N, T, 1)
    return (states * weights).sum(1) / weights.sum(1).sqrt()


def weighted_mean_pooling(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of the token states, each weighted by its position from 1 on: (N, T, D), (N, T) -> (N, D)."""
    weights = (mask * mask.cumsum(1)).unsqueeze(-1).float()  # (N, T, 1)
    return (states.float() * weights).sum(1) / weights.sum(1)


def max_pooling(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the largest value of each dimension over the tokens: (N, T, D), (N, T) -> (N, D)."""
    return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(1)


def cls_pooling(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the state of the first token: (N, T, D), (N, T) -> (N, D)."""
    del mask
    return states[:, 0]


def last_token_pooling(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the state of the last token that is not padding: (N, T, D), (N, T) -> (N, D)."""
    last = (mask.sum(1) - 1).view(-1, 1, 1).expand(-1, 1, states.shape[-1])  # (N, 1, D)
    return states.gather(1, last).squeeze(1)


POOLINGS = {
    "cls": cls_pooling,
    "max": max_pooling,
    "mean": mean_pooling,
    "mean_sqrt_len_tokens": root_length_pooling,
    "weightedmean": weighted_mean_pooling,
    "lasttoken": last_token_pooling,
}
"""Pooling modes, in the order in which the older configuration of sentence-transformers concatenates them."""


def pooling_modes(pooling: str) -> list[str]:
    """Return the modes of a pooling such as ``cls+mean``."""
    return pooling.split("+")


def pool(pooling: str, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return pooled vectors, (N, D) for each mode side by side, of states (N, T, D) with their mask (N, T)."""
    return torch.cat([POOLINGS[mode](states, mask).float() for mode in pooling_modes(pooling)], dim=-1)
