from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import nn

from dpr.train.gradcache import Encode, cached_backward, plain_backward
from dpr.train.loss import in_batch_loss

Gradients = dict[str, torch.Tensor]


def encoders(dropout: float = 0.0) -> nn.ModuleDict:
    torch.manual_seed(3)
    return nn.ModuleDict(
        {
            role: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 4))
            for role in ("question", "passage")
        }
    )


def chunks(module: nn.ModuleDict) -> list[list[Encode]]:
    """Seven questions in chunks of 3, 3, 1 and nine passages in chunks of 4, 4, 1."""
    torch.manual_seed(4)
    questions, passages = torch.randn(7, 6).split(3), torch.randn(9, 6).split(4)
    return [
        [partial(module["question"], texts) for texts in questions],
        [partial(module["passage"], texts) for texts in passages],
    ]


def loss_of(vectors: Sequence[torch.Tensor]) -> torch.Tensor:
    questions, passages = vectors
    nothing = torch.zeros(len(questions), len(passages), dtype=torch.bool)
    return in_batch_loss(questions, passages, torch.arange(7), nothing, 1.0).mean()


def gradients(module: nn.Module) -> Gradients:
    return {name: weight.grad.clone() for name, weight in module.named_parameters() if weight.grad is not None}


def test_cached_and_plain_give_the_same_loss_and_gradients() -> None:
    plain, cached = encoders(), encoders()
    plain_loss = plain_backward(chunks(plain), loss_of)
    cached_loss = cached_backward(chunks(cached), loss_of)
    assert float(cached_loss) == pytest.approx(float(plain_loss), rel=1e-6)
    expected, found = gradients(plain), gradients(cached)
    assert set(found) == set(expected) == {name for name, _ in plain.named_parameters()}
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_dropout_falls_on_the_same_units_when_a_chunk_is_encoded_again() -> None:
    plain, cached = encoders(dropout=0.5), encoders(dropout=0.5)
    torch.manual_seed(9)
    plain_backward([[*part] for part in chunks_without_reseeding(plain)], loss_of)
    torch.manual_seed(9)
    cached_backward([[*part] for part in chunks_without_reseeding(cached)], loss_of)
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(gradients(cached)[name], gradient, msg=name)


def chunks_without_reseeding(module: nn.ModuleDict) -> list[list[Encode]]:
    state = torch.get_rng_state()
    made = chunks(module)
    torch.set_rng_state(state)
    return made


def test_gradients_add_to_those_that_are_there() -> None:
    once, twice = encoders(), encoders()
    cached_backward(chunks(once), loss_of)
    cached_backward(chunks(twice), loss_of)
    cached_backward(chunks(twice), loss_of)
    for name, gradient in gradients(once).items():
        torch.testing.assert_close(gradients(twice)[name], 2 * gradient, msg=name)
