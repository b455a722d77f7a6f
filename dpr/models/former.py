"""What models of earlier versions held and this version does not read: refused, not read without (decision 0022)."""

from __future__ import annotations

import re
from pathlib import Path

from dpr.errors import ModelError

_PARTS = {
    "a sketch of the words in its vectors": ("modules.json", rb"LexicalSketch"),
    "word embeddings of added WordPieces beside an adapter": ("vocabulary.safetensors", rb""),
    "a match vector": ("reader.safetensors", rb'"match":'),
    "a scale of added word embeddings (added_rows_scale)": ("reader.json", rb'"added_rows_scale": *(?!1\.0\b)[\d.]'),
    "a switch for a training without token types (types_alike)": ("reader.json", rb'"types_alike": *true'),
}
"""What a folder holds, with the file and the bytes that show it; a scale of 1 does nothing."""

FORMER_MODELS = {"dpr-mini-ko-en", "reader-mini-ko-en"}
"""Names of models that earlier versions bundled."""


def refuse_former_parts(directory: Path) -> None:
    """Refuse a model that holds a part which is no longer read.

    Raises:
        ModelError: it holds one.
    """
    for what, (name, sign) in _PARTS.items():
        path = directory / name
        if path.is_file() and re.search(sign, path.read_bytes()):
            raise ModelError(
                f"{directory} holds {what} ({name}), which this version no longer reads; train the model again and "
                "rebuild its indexes, or use the version that made it"
            )


def refuse_former_name(name: str) -> None:
    """Refuse the name of a model that was bundled with earlier versions.

    Raises:
        ModelError: it is one.
    """
    if FORMER_MODELS & set(Path(name).parts):
        raise ModelError(
            f"the model {name} came with earlier versions, and this version no longer reads it; choose another model "
            "and rebuild the indexes that were made with it, or use the version that had it"
        )
