"""The small files by which the sentence-transformers package opens a tower with the right pooling and lengths.

A linear map of the pooled vectors has the form that it has there, a ``Dense`` module without activation.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from dpr.errors import ModelError
from dpr.models.checkpoint import base_of, first_line, read_json
from dpr.models.tower import EncoderConfig

_PACKAGE = "sentence_transformers.models"
_IDENTITY = "torch.nn.modules.linear.Identity"
_DENSE = "2_Dense"


def write_sentence_transformers_files(
    folder: Path, config: EncoderConfig, dimension: int, projection: nn.Linear | None = None
) -> None:
    """Write ``modules.json`` and what it names beside a Hugging Face checkpoint whose states are ``dimension`` wide."""
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    if projection is not None:
        modules.append(("Dense", _DENSE))
    if config.normalize:
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": f"{_PACKAGE}.{kind}"}
        for number, (kind, path) in enumerate(modules)
    ]
    pooling = {
        "word_embedding_dimension": dimension,
        "pooling_mode_cls_token": config.pooling == "cls",
        "pooling_mode_mean_tokens": config.pooling == "mean",
    }
    for _, path in modules:
        (folder / path).mkdir(exist_ok=True)
    _write(folder / "modules.json", listed)
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": config.passage_tokens, "do_lower_case": False})
    if projection is not None:
        _write_projection(folder / _DENSE, projection)


def read_projection(directory: Path) -> nn.Linear | None:
    """Return the linear map that a sentence-transformers directory, or an adapter's base, puts after its pooling.

    Raises:
        ModelError: there are several, or one with an activation, or its weights cannot be read.
    """
    if not (directory / "modules.json").is_file():
        directory = base_of(directory)
    paths = [directory / path for kind, path in _modules(directory / "modules.json") if kind.endswith(".Dense")]
    if not paths:
        return None
    config = read_json(paths[0] / "config.json")
    if len(paths) > 1 or config.get("activation_function") != _IDENTITY:
        raise ModelError(f"{directory} has more after its pooling than one linear map; choose another encoder")
    path = paths[0] / "model.safetensors"
    try:
        projection = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
        weights = {name.removeprefix("linear."): weight.float() for name, weight in load_file(path).items()}
        projection.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read as a linear map ({first_line(error)}); save the model again") from error
    return projection.requires_grad_(requires_grad=False)


def _modules(path: Path) -> list[tuple[str, str]]:
    """Return the type and the folder of each module of a sentence-transformers directory; none where it is no such."""
    if not path.is_file():
        return []
    try:
        return [(module["type"], module["path"]) for module in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read as a list of modules: {first_line(error)}") from error


def _write_projection(folder: Path, projection: nn.Linear) -> None:
    config = {
        "in_features": projection.in_features,
        "out_features": projection.out_features,
        "bias": projection.bias is not None,
        "activation_function": _IDENTITY,
    }
    _write(folder / "config.json", config)
    weights = {f"linear.{name}": weight.contiguous() for name, weight in projection.state_dict().items()}
    save_file(weights, folder / "model.safetensors")


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
