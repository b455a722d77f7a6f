"""The small files by which the sentence-transformers package opens a tower with the right pooling and lengths."""

from __future__ import annotations

import json
from pathlib import Path

from dpr.models.tower import EncoderConfig

_PACKAGE = "sentence_transformers.models"


def write_sentence_transformers_files(folder: Path, config: EncoderConfig, dimension: int) -> None:
    """Write ``modules.json`` and what it names beside a Hugging Face checkpoint."""
    modules = ["", "1_Pooling", *(["2_Normalize"] if config.normalize else [])]
    types = ["Transformer", "Pooling", "Normalize"]
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": f"{_PACKAGE}.{kind}"}
        for number, (path, kind) in enumerate(zip(modules, types, strict=False))
    ]
    pooling = {
        "word_embedding_dimension": dimension,
        "pooling_mode_cls_token": config.pooling == "cls",
        "pooling_mode_mean_tokens": config.pooling == "mean",
    }
    for path in modules:
        (folder / path).mkdir(exist_ok=True)
    _write(folder / "modules.json", listed)
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": config.passage_tokens, "do_lower_case": False})


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
