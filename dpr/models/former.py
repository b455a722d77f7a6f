"""Refuse models of earlier versions with features that this version does not support (decision 0022)."""

from __future__ import annotations

import re
from pathlib import Path

from dpr.errors import ModelError

_FORMER_FEATURES = {
    "a sketch of the words in its vectors": ("modules.json", rb"LexicalSketch"),
    "word embeddings of added WordPieces beside an adapter": ("vocabulary.safetensors", rb""),
    "a match vector": ("reader.safetensors", rb'"match":'),
    "a scale of added word embeddings (added_rows_scale)": ("reader.json", rb'"added_rows_scale": *(?!1\.0\b)[\d.]'),
    "a switch for a training without token types (types_alike)": ("reader.json", rb'"types_alike": *true'),
}
"""Each feature with the file and the bytes that show it; a scale of 1 does nothing."""

FORMER_MODELS = {"dpr-mini-ko-en", "reader-mini-ko-en"}
"""Models that earlier versions bundled."""


def refuse_former_parts(directory: Path) -> None:
    """Refuse a model with a feature that is no longer supported.

    Raises:
        ModelError: the model has such a feature.
    """
    for feature, (name, sign) in _FORMER_FEATURES.items():
        path = directory / name
        if path.is_file() and re.search(sign, path.read_bytes()):
            raise ModelError(
                f"{directory} has {feature} ({name}), which this version does not support; train the model again and "
                "rebuild its indexes, or use the version that made it"
            )


def refuse_former_name(name: str) -> None:
    """Refuse the name of a model that earlier versions bundled.

    Raises:
        ModelError: it is such a name.
    """
    if FORMER_MODELS & set(Path(name).parts):
        raise ModelError(
            f"the model {name} came with earlier versions, and this version does not support it; choose another model "
            "and rebuild its indexes, or use the version that had it"
        )
