"""The folder that a command writes a model to: none that it reads, and none that holds a model, unless told to."""

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
"""Files by which a folder is known to hold a model, or a run that is not finished."""

_FILES = (
    *SIGNS, "best.safetensors", "reader.safetensors", "model-*.safetensors", "*.index.json", "pytorch_model-*.bin",
    "generation_config.json", "sentence_bert_config.json", "config_sentence_transformers.json", "lexical_sketch.py",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "*.model", "tuning.json", "fusion.json", "log.jsonl", "unfinished.json",
)  # fmt: skip
_FOLDERS = ("question", "passage", "tensorboard", "[0-9]_*")


def check_output(output: Path, reads: Iterable[str], overwrite: bool = False) -> None:
    """Refuse a folder to write a model to that is one of those read, or holds a model already.

    Args:
        output: the folder, which need not be there.
        reads: names of the models that the command reads: a base, a teacher, what is exported.
        overwrite: whether a model in the folder may be replaced; never one that is read.

    Raises:
        ConfigError: it is refused.
        ModelError: one of the names is no model.
    """
    refuse_source(output, reads)
    if not overwrite and (sign := held_model(output)) is not None:
        raise ConfigError(
            f"the output {output} holds a model already ({sign}); choose another folder, or --overwrite to replace it"
        )


def refuse_source(output: Path, reads: Iterable[str]) -> None:
    """Refuse a folder to write to that one of the models read is in, or a base of theirs, or that is no folder.

    Raises:
        ConfigError: it is refused.
        ModelError: one of the names is no model.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"the output {output} is a file; give a folder")
    for name in reads:
        if output.resolve() in all_directories(name):
            raise ConfigError(f"the output {output} is the folder of {name} itself, or of its base; choose another one")


def held_model(folder: Path) -> str | None:
    """Return a file that shows that a folder holds a model, or None."""
    return next((sign for sign in SIGNS if (folder / sign).is_file()), None)


def clear_model(folder: Path) -> None:
    """Remove the files and folders that a model, and the run that made it, consist of; leave all others."""
    for pattern in _FILES:
        for path in folder.glob(pattern):
            path.unlink()
    for pattern in _FOLDERS:
        for path in folder.glob(pattern):
            if path.is_symlink():
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
