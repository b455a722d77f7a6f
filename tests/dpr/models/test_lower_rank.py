from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from dpr.errors import ConfigError, ModelError
from dpr.models.adapters import add_lora
from dpr.models.export import ExportFormat, export
from dpr.models.lower_rank import lower_rank
from dpr.types import FloatArray


@pytest.fixture
def adapter(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """An adapter of rank 4 whose matrices are all random."""
    torch.manual_seed(1)
    model: Any = add_lora(AutoModel.from_pretrained(tiny_checkpoint), 4, 8, str(tiny_checkpoint))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data.normal_()
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def changes(folder: Path) -> dict[str, FloatArray]:
    """Return each layer's s·BA, (O, I)."""
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    weights = {name: tensor.numpy() for name, tensor in load_file(folder / "adapter_model.safetensors").items()}
    return {
        name: config["lora_alpha"] / config["r"] * weights[name.replace("lora_A", "lora_B")] @ down
        for name, down in weights.items()
        if "lora_A" in name
    }


def test_each_layer_keeps_its_largest_singular_values(adapter: Path) -> None:
    before = changes(adapter)
    lower_rank(adapter, 2)
    after = changes(adapter)
    assert after.keys() == before.keys()
    for name, matrix in before.items():
        left, values, right = np.linalg.svd(matrix)
        assert after[name] == pytest.approx(left[:, :2] * values[:2] @ right[:2], abs=1e-4)
        assert np.linalg.matrix_rank(after[name], tol=1e-3) == 2


def test_peft_loads_the_smaller_adapter(adapter: Path, tiny_checkpoint: Path) -> None:
    from peft import PeftModel

    lower_rank(adapter, 3)
    model: Any = PeftModel.from_pretrained(AutoModel.from_pretrained(tiny_checkpoint), str(adapter)).merge_and_unload()
    base = AutoModel.from_pretrained(tiny_checkpoint).state_dict()
    change = changes(adapter)["base_model.model.encoder.layer.0.attention.self.query.lora_A.weight"]
    name = "encoder.layer.0.attention.self.query.weight"
    assert (model.state_dict()[name] - base[name]).numpy() == pytest.approx(change, abs=1e-5)


def test_a_rank_that_cannot_be_lowered_is_refused(adapter: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--lora-rank is 4 and the adapter's rank 4; give a lower one"):
        lower_rank(adapter, 4)
    with pytest.raises(ConfigError, match="is for adapters that stay adapters"):
        export(str(tiny_checkpoint), tmp_path / "x", ExportFormat("as-is", lora_rank=2))
    with pytest.raises(ConfigError, match="give an adapter and --form as-is"):
        export(str(tiny_checkpoint), tmp_path / "x", ExportFormat(lora_rank=2))
    assert not (tmp_path / "x").exists()
    path = adapter / "adapter_config.json"
    plain = path.read_text(encoding="utf-8")
    path.write_text('{"peft_type": "IA3"}', encoding="utf-8")  # has no rank at all
    with pytest.raises(ModelError, match="no plain LoRA \\(peft_type\\)"):
        lower_rank(adapter, 2)
    path.write_text(plain.replace('"use_dora": false', '"use_dora": true'), encoding="utf-8")
    with pytest.raises(ModelError, match="no plain LoRA \\(use_dora\\)"):
        lower_rank(adapter, 2)
