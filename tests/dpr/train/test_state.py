from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dpr.errors import ModelError
from dpr.train.state import load_state, save_state


def make() -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    return model, torch.optim.AdamW(model.parameters(), lr=0.01)


def step(model: nn.Module, optimizer: torch.optim.AdamW) -> None:
    model(torch.randn(16, 4)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    model, optimizer = make()
    for _ in range(3):
        step(model, optimizer)
    save_state(tmp_path / "state.safetensors", 3, model, optimizer, "run")
    for _ in range(4):
        step(model, optimizer)
    again, other = make()
    torch.manual_seed(99)
    assert load_state(tmp_path / "state.safetensors", again, other, "run") == (3, {"step": "3", "run": "run"})
    for _ in range(4):
        step(again, other)
    for kept, resumed in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(kept, resumed)


def test_without_a_file_a_run_starts_at_zero(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.safetensors", *make(), "run") == (0, {})


def test_another_runs_state_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    model, optimizer = make()
    step(model, optimizer)
    save_state(path, 1, model, optimizer, "one")
    with pytest.raises(ModelError, match="other settings or data"):
        load_state(path, model, optimizer, "two")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="delete it to start again"):
        load_state(path, model, optimizer, "one")
