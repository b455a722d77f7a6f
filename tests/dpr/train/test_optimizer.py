from __future__ import annotations

import itertools

import pytest
from torch import nn

from dpr.train.optimizer import make_optimizer, set_learning_rate, warmup_then_linear


def test_biases_do_not_decay_and_all_weights_have_one_rate() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "frozen": nn.Linear(2, 2)})
    model["frozen"].requires_grad_(requires_grad=False)
    optimizer = make_optimizer(model, 1e-3, 0.1)
    set_learning_rate(optimizer, 0.5)
    found = {
        id(weight): (group["weight_decay"], group["lr"])
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    expected = {"a.weight": (0.1, 0.5), "a.bias": (0.0, 0.5), "b.weight": (0.1, 0.5), "b.bias": (0.0, 0.5)}
    assert found == {id(weight): expected[name] for name, weight in model.named_parameters() if name in expected}


def test_the_rate_rises_over_the_warmup_and_falls_to_zero() -> None:
    factors = [warmup_then_linear(step, 100, 0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert factors[10] == 1.0
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[10:]))
    assert warmup_then_linear(100, 100, 0.1) == 0.0
