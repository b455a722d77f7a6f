"""Check a model's folder before a library opens it; code in the folder is never run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpr.errors import ModelError

LEAST_VOCABULARY = 0.9
"""The least share of a model's word embeddings that its tokenizer must have; the rest may be padding."""

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin", "pytorch_model*.bin.index.json")
_OTHER_WEIGHTS = {
    "*.gguf": "GGUF",
    "*.onnx": "ONNX",
    "onnx/*.onnx": "ONNX",
    "openvino/*.xml": "OpenVINO",
    "*.h5": "TensorFlow",
    "*.msgpack": "Flax",
}
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.tiktoken", "spiece.*", "tekken.json")


def check_checkpoint(directory: Path, config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that cannot be loaded or needs code of its own; ``config`` is its ``config.json``.

    Raises:
        ModelError: the folder needs its own code, or has an unknown model type, quantized weights, or no weights.
    """
    check_no_remote_code(directory, config)
    if config.get("quantization_config"):
        method = config["quantization_config"].get("quant_method", "some method")
        raise ModelError(
            f"{directory} has weights that are quantized ({method}), which are not supported; "
            "give the model that was quantized"
        )
    if any(any(directory.glob(pattern)) for pattern in _WEIGHTS):
        return
    formats = sorted({name for pattern, name in _OTHER_WEIGHTS.items() if any(directory.glob(pattern))})
    cause = f"its weights are in the format of {' and '.join(formats)}" if formats else "it has no weights"
    raise ModelError(
        f"{directory} cannot be loaded: {cause}; give a folder with model.safetensors or pytorch_model.bin"
    )


def check_no_remote_code(directory: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model that needs the code in its folder, which is never run.

    Raises:
        ModelError: the model needs that code, or the installed transformers does not know its type.
    """
    from transformers import __version__
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    model_type = config.get("model_type")
    if model_type is None or model_type in CONFIG_MAPPING:
        return
    if config.get("auto_map"):
        raise ModelError(
            f"{directory} needs the Python code in its folder (auto_map of the model type {model_type!r}), which is "
            "never run; choose a model of a type in transformers"
        )
    raise ModelError(
        f"{directory} is of the model type {model_type!r}, which transformers {__version__} does not know; "
        "choose another model, or install a release that has it"
    )


def has_vocabulary(directory: Path) -> bool:
    """Tell whether a folder has a tokenizer's vocabulary."""
    return any(any(directory.glob(pattern)) for pattern in _VOCABULARIES)


def check_tokenizer_files(directory: Path) -> None:
    """Refuse a folder without a vocabulary, for which transformers would create an empty one.

    Raises:
        ModelError: there is no vocabulary.
    """
    if not has_vocabulary(directory):
        raise ModelError(
            f"{directory} has no tokenizer (no tokenizer.json, vocab.txt, vocab.json or *.model); "
            "copy the files of the model's tokenizer there"
        )


def check_vocabulary(tokenizer: Any, model: Any, directory: Path) -> None:
    """Refuse a tokenizer with ids beyond the model's word embeddings, or far fewer tokens than these.

    Raises:
        ModelError: the tokenizer does not fit the model.
    """
    rows = len(model.get_input_embeddings().weight)
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows or len(tokenizer) < LEAST_VOCABULARY * rows:
        raise ModelError(
            f"the tokenizer of {directory} has {len(tokenizer):,} tokens with ids up to {highest:,}, but the model has "
            f"{rows:,} word embeddings; give the tokenizer that the model was trained with"
        )
