"""Random models of learned lists with a few thousand weights, derived from the fixture ``tiny_checkpoint``."""

from __future__ import annotations

import json
import string
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizer

MARKERS = ("[Q] ", "[D] ")


def make_splade(tiny_checkpoint: Path, folder: Path) -> Path:
    """Save a masked language model, whose weights differ a good deal from text to text."""
    torch.manual_seed(11)
    config = BertConfig.from_pretrained(tiny_checkpoint, initializer_range=0.5)
    BertForMaskedLM(config).save_pretrained(folder)
    BertTokenizer.from_pretrained(tiny_checkpoint).save_pretrained(folder)
    return folder


def make_colbert(tiny_checkpoint: Path, folder: Path, **settings: object) -> Path:
    """Save a late-interaction model as PyLate does: two markers, a projection, and its settings."""
    tokenizer = BertTokenizer.from_pretrained(tiny_checkpoint)
    tokenizer.add_tokens(list(MARKERS))
    tokenizer.save_pretrained(folder)
    config = BertConfig.from_pretrained(tiny_checkpoint, initializer_range=0.5, vocab_size=len(tokenizer))
    torch.manual_seed(12)
    BertModel(config).save_pretrained(folder)
    projection = folder / "1_Dense"
    projection.mkdir()
    torch.manual_seed(13)
    save_file({"linear.weight": torch.randn(16, config.hidden_size) / 8}, projection / "model.safetensors")
    identity = "torch.nn.modules.linear.Identity"
    shape = {"in_features": config.hidden_size, "out_features": 16, "bias": False, "activation_function": identity}
    write_json(projection / "config.json", {**shape, "use_residual": False})
    modules = [("", "sentence_transformers.models.Transformer"), ("1_Dense", "pylate.models.Dense.Dense")]
    entries = [{"idx": n, "name": str(n), "path": path, "type": kind} for n, (path, kind) in enumerate(modules)]
    write_json(folder / "modules.json", entries)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": False})
    pylate: dict[str, object] = {
        "model_type": "ColBERT",
        "prompts": {"query": "", "document": ""},
        "similarity_fn_name": "MaxSim",
        "query_prefix": MARKERS[0],
        "document_prefix": MARKERS[1],
        "query_length": 24,
        "document_length": 40,
        "attend_to_expansion_tokens": False,
        "skiplist_words": list(string.punctuation),
        "do_query_expansion": True,
    }
    write_json(folder / "config_sentence_transformers.json", {**pylate, **settings})
    return folder


def write_json(path: Path, value: object) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
