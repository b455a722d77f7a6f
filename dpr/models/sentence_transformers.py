"""The small files by which the sentence-transformers package opens a tower with the right pooling and lengths.

A linear map of the pooled vectors has the form that it has there, a ``Dense`` module without activation. A sketch of
the words is a module of our own, whose source lies beside it (`dpr.models.lexical_sketch`); that package loads it with
``trust_remote_code=True``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from dpr.errors import ModelError
from dpr.models import lexical_sketch
from dpr.models.checkpoint import base_of, first_line, read_json
from dpr.models.lexical_sketch import LexicalSketch
from dpr.models.tower import EncoderConfig, Head

_PACKAGE = "sentence_transformers.models"
_IDENTITY = "torch.nn.modules.linear.Identity"
_SKETCH = "lexical_sketch.LexicalSketch"


def write_sentence_transformers_files(
    folder: Path,
    config: EncoderConfig,
    dimension: int,
    head: Head = Head(),  # noqa: B008 - frozen
) -> None:
    """Write ``modules.json`` and what it names beside a Hugging Face checkpoint whose states are ``dimension`` wide."""
    kinds = [f"{_PACKAGE}.Transformer", f"{_PACKAGE}.Pooling"]
    kinds += [_SKETCH] if head.sketch else []
    kinds += [f"{_PACKAGE}.Dense"] if head.projection else []
    kinds += [f"{_PACKAGE}.Normalize"] if config.normalize else []
    paths = ["", *(f"{number}_{kind.rpartition('.')[2]}" for number, kind in enumerate(kinds) if number)]
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": kind}
        for number, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    pooling = {
        "word_embedding_dimension": dimension,
        "pooling_mode_cls_token": config.pooling == "cls",
        "pooling_mode_mean_tokens": config.pooling == "mean",
    }
    for kind in ("Pooling", "LexicalSketch", "Dense", "Normalize"):
        for stale in folder.glob(f"[0-9]_{kind}"):
            shutil.rmtree(stale)
    for path in paths:
        (folder / path).mkdir(exist_ok=True)
    _write(folder / "modules.json", listed)
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": config.passage_tokens, "do_lower_case": False})
    if head.sketch:
        head.sketch.save(str(folder / paths[kinds.index(_SKETCH)]))
        shutil.copyfile(lexical_sketch.__file__, folder / f"{_SKETCH.partition('.')[0]}.py")
    if head.projection:
        _write_projection(folder / paths[kinds.index(f"{_PACKAGE}.Dense")], head.projection)


def read_head(directory: Path) -> Head:
    """Return what a sentence-transformers directory, or an adapter's base, puts after its pooling.

    Raises:
        ModelError: there is more than a sketch and a linear map, or their weights cannot be read.
    """
    if not (directory / "modules.json").is_file():
        directory = base_of(directory)
    modules = _modules(directory / "modules.json")
    sketches = [directory / path for kind, path in modules if kind.endswith(".LexicalSketch")]
    maps = [directory / path for kind, path in modules if kind.endswith(".Dense")]
    if max(len(sketches), len(maps)) > 1:
        raise ModelError(
            f"{directory} has more after its pooling than a sketch and a linear map; choose another encoder"
        )
    return Head(_read_sketch(sketches[0]) if sketches else None, _read_projection(maps[0]) if maps else None)


def _read_sketch(folder: Path) -> LexicalSketch:
    try:
        return LexicalSketch.load(str(folder)).requires_grad_(requires_grad=False)
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} cannot be read as a sketch ({first_line(error)}); save the model again") from error


def _read_projection(folder: Path) -> nn.Linear:
    config = read_json(folder / "config.json")
    if config.get("activation_function") != _IDENTITY:
        raise ModelError(
            f"{folder} has an activation after its linear map, which is not applied here; choose another encoder"
        )
    path = folder / "model.safetensors"
    try:
        projection = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
        weights = {name.removeprefix("linear."): weight.float() for name, weight in load_file(path).items()}
        projection.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} cannot be read as a linear map ({first_line(error)}); save the model again"
        ) from error
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
