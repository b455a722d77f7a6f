"""The folder of a learned list's model: its modules, its prompts, and a hash of everything that shapes its output."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dpr.errors import ModelError
from dpr.models.checkpoint import content_hash, file_sha256, first_line, optional_json
from dpr.models.sentence_transformers import (
    MODULES_FILE,
    PASSAGE_PROMPTS,
    QUESTION_PROMPTS,
    SETTINGS_FILE,
    recorded_prompt,
)


class ModuleEntry(NamedTuple):
    """A module of a sentence-transformers or PyLate folder: the name of its class, and its folder."""

    kind: str
    folder: Path


class Prompts(NamedTuple):
    """The texts before every question and before every passage."""

    question: str
    passage: str


def module_entries(directory: Path) -> list[ModuleEntry]:
    """Return the modules of a folder in their order; none for a plain Hugging Face checkpoint.

    Raises:
        ModelError: the list cannot be read, or a module is neither sentence-transformers' nor PyLate's.
    """
    path = directory / MODULES_FILE
    if not path.is_file():
        return []
    try:
        entries = [(str(entry["type"]), str(entry["path"])) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read as a list of modules: {first_line(error)}") from error
    for kind, folder in entries:
        if not kind.startswith(("sentence_transformers.", "pylate.")) or ".." in Path(folder).parts:
            raise ModelError(f"{path} lists {kind} in {folder!r}, which is not supported; choose another model")
    return [ModuleEntry(kind.rpartition(".")[2], directory / folder) for kind, folder in entries]


def saved_settings(directory: Path) -> dict[str, Any]:
    """Return ``config_sentence_transformers.json`` of a folder, empty without one."""
    return optional_json(directory / SETTINGS_FILE)


def saved_prompts(directory: Path) -> Prompts:
    """Return the prompts of a folder, empty without any."""
    recorded = saved_settings(directory).get("prompts") or {}
    return Prompts(
        recorded_prompt(directory, recorded, QUESTION_PROMPTS), recorded_prompt(directory, recorded, PASSAGE_PROMPTS)
    )


def model_fingerprint(directory: Path, config: Mapping[str, object]) -> str:
    """Return a hash of a model's weights, vocabulary and modules, and of the configuration that it is used with."""
    digest = hashlib.sha256(content_hash(directory).encode())
    for entry in module_entries(directory):
        if entry.folder != directory:
            for path in sorted(path for path in entry.folder.glob("*") if path.is_file()):
                digest.update(f"{entry.folder.name}/{path.name}:{file_sha256(path)}\n".encode())
    digest.update(json.dumps(config, sort_keys=True).encode())
    return digest.hexdigest()[:32]
