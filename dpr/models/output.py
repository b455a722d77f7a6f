"""The folder that a command writes a model to: never one that it reads, and one with a model only to overwrite it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from dpr.errors import ConfigError
from dpr.models.pair import all_directories

SIGNS = (
    "encoder.json", "config.json", "adapter_config.json", "modules.json", "reader.json", "training.json",
    "vocabulary.safetensors", "model.safetensors", "adapter_model.safetensors", "state.safetensors",
    "pytorch_model.bin",
)  # fmt: skip
"""A folder with one of these files holds a model, or an unfinished run."""

_FILES = (
    *SIGNS, "best.safetensors", "packed.safetensors", "reader.safetensors", "model-*.safetensors",
    "*.index.json", "pytorch_model-*.bin",
    "generation_config.json", "sentence_*_config.json", "config_sentence_transformers.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "*.model", "tuning.json", "fusion.json", "log.jsonl", "unfinished.json",
)  # fmt: skip
_FOLDERS = ("question", "passage", "tensorboard", "[0-9]_*")


def check_output(output: Path, reads: Iterable[str], overwrite: bool = False) -> None:
    """Refuse an output folder that belongs to a model that the command reads, or that holds a model already.

    Args:
        output: the folder, which need not exist.
        reads: names of the models that the command reads: a base, a teacher, the model to export.
        overwrite: whether a model in the folder may be replaced; a model that is read never is.

    Raises:
        ConfigError: the folder is refused.
        ModelError: one of the names is no model.
    """
    refuse_source(output, reads)
    if not overwrite and (sign := held_model(output)) is not None:
        raise ConfigError(
            f"the output {output} holds a model already ({sign}); choose another folder, or --overwrite to replace it"
        )


def refuse_source(output: Path, reads: Iterable[str]) -> None:
    """Refuse an output that is a file, or a folder of one of the models that are read or of their bases.

    Raises:
        ConfigError: the output is refused.
        ModelError: one of the names is no model.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"the output {output} is a file; give a folder")
    for name in reads:
        if output.resolve() in all_directories(name):
            raise ConfigError(f"the output {output} is the folder of {name} itself, or of its base; choose another one")


def held_model(folder: Path) -> str | None:
    """Return the name of a file by which a folder holds a model; None where it holds none."""
    return next((sign for sign in SIGNS if (folder / sign).is_file()), None)


def clear_model(folder: Path) -> None:
    """Remove the files and folders of a model and of the run that made it; leave all others."""
    for pattern in _FILES:
        for path in folder.glob(pattern):
            path.unlink()
    for pattern in _FOLDERS:
        for path in folder.glob(pattern):
            if path.is_symlink():
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
