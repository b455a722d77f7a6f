from __future__ import annotations

from pathlib import Path

import torch

from dpr.models.adapters import add_lora
from dpr.models.checkpoint import load_model


def test_folded_lora_is_peft_s_function_with_its_gradients(tiny_checkpoint: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    folded = add_lora(load_model(AutoModel, tiny_checkpoint).double(), 4, 8, "base").double()
    options = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear")
    plain = get_peft_model(load_model(AutoModel, tiny_checkpoint).double(), options).double()
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in folded.named_parameters():
            if "lora_" in name:
                weight.copy_(0.3 * torch.randn_like(weight))
    plain.load_state_dict(folded.state_dict())
    ids = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])
    mask = (ids > 0).long()
    towards = torch.randn(2, 4, folded.config.hidden_size, dtype=torch.float64)
    for model in (folded, plain):
        (model(input_ids=ids, attention_mask=mask).last_hidden_state * towards).sum().backward()
    expected = dict(plain.named_parameters())
    compared = 0
    for name, weight in folded.named_parameters():
        if "lora_" in name and "pooler" not in name:
            torch.testing.assert_close(weight.grad, expected[name].grad)
            assert weight.grad is not None
            assert weight.grad.abs().sum() > 0
            compared += 1
    assert compared > 10
    torch.testing.assert_close(
        folded.merge_and_unload()(input_ids=ids).last_hidden_state,
        plain.merge_and_unload()(input_ids=ids).last_hidden_state,
    )
