"""Output folders of models: never one that the command reads, and one with a model only to overwrite it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dpr.durable import UNFINISHED, make_folder, naming_a_full_disk, rename
from dpr.errors import ConfigError
from dpr.models.pair import all_directories

SIGNS = (
    "encoder.json", "config.json", "adapter_config.json", "modules.json", "reader.json", "training.json",
    "vocabulary.safetensors", "model.safetensors", "adapter_model.safetensors", "state.safetensors",
    "pytorch_model.bin",
)  # fmt: skip
"""A folder with one of these files holds a model, or an unfinished run."""

_ADAPTER_FILES = (
    "adapter_config.json", "adapter_model.safetensors", "reader.json", "reader.safetensors", "modules.json",
    "sentence_*_config.json", "config_sentence_transformers.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "*.model", "training.json", "tuning.json",
)  # fmt: skip
"""The files that an adapter needs, and its records."""

_MODULES = "[0-9]_*"
"""The folders of sentence-transformers modules after the model."""

_FILES = (
    *SIGNS, *_ADAPTER_FILES, "best.safetensors", "packed.safetensors", "model-*.safetensors",
    "*.index.json", "pytorch_model-*.bin", "generation_config.json", "fusion.json", "log.jsonl", "unfinished.json",
)  # fmt: skip
_FOLDERS = ("question", "passage", "tensorboard", _MODULES)


def check_output(output: Path, reads: Iterable[str], overwrite: bool = False) -> None:
    """Refuse an output folder of a model that the command reads, or with a model already.

    Args:
        output: the folder, which need not exist.
        reads: names of the models that the command reads: a base, a teacher, the model to export.
        overwrite: whether a model in the folder may be replaced, unless the command reads it.

    Raises:
        ConfigError: the folder is refused.
        ModelError: one of the names is no model.
    """
    refuse_source(output, reads)
    if not overwrite and (sign := held_model(output)) is not None:
        raise ConfigError(
            f"the output {output} already holds a model ({sign}); choose another folder, or --overwrite to replace it"
        )


def refuse_source(output: Path, reads: Iterable[str]) -> None:
    """Refuse an output that is a file, or the folder of a model that the command reads or of its base.

    Raises:
        ConfigError: the output is refused.
        ModelError: one of the names is no model.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"the output {output} is a file; give a folder")
    for name in reads:
        if output.resolve() in all_directories(name):
            raise ConfigError(f"the output {output} is the folder of {name} itself, or of its base; choose another one")


@contextmanager
def replaced_model(output: Path) -> Iterator[Path]:
    """Yield a folder to write a model to, whose files replace those of ``output`` at the end of the block.

    If the block raises an error, ``output`` stays as it was.

    Raises:
        DiskFullError: there is no space left for the model.
    """
    output = output.resolve()  # "." has no name
    unfinished = output.with_name(f"{UNFINISHED}{output.name}")
    with naming_a_full_disk(output):
        make_folder(output.parent)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            yield unfinished
            share_as_folder(unfinished)
            make_folder(output)
            clear_model(output)
            for path in unfinished.iterdir():
                rename(path, output / path.name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def share_as_folder(folder: Path) -> None:
    """Let those read a model's weights who may read their folder; safetensors lets the owner alone."""
    for path in folder.rglob("*.safetensors"):
        if not path.is_symlink():
            path.chmod(path.parent.stat().st_mode & 0o666)


def copy_adapter(source: Path, folder: Path) -> None:
    """Copy an adapter without the files of its training: state, log, and peft's model card."""
    for pattern in _ADAPTER_FILES:
        for path in source.glob(pattern):
            shutil.copyfile(path, folder / path.name)
    for module in source.glob(_MODULES):
        shutil.copytree(module, folder / module.name)


def held_model(folder: Path) -> str | None:
    """Return the name of a file that shows a model in a folder; None without a model."""
    return next((sign for sign in SIGNS if (folder / sign).is_file()), None)


def clear_model(folder: Path) -> None:
    """Remove the files and folders of a model and of its training; keep all others."""
    for pattern in _FILES:
        for path in folder.glob(pattern):
            path.unlink()
    for pattern in _FOLDERS:
        for path in folder.glob(pattern):
            if path.is_symlink():
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
