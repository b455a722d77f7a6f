"""The versions that a result depends on."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import metadata

from dpr import __version__

LIBRARIES = (
    "faiss-cpu",
    "kiwipiepy",
    "numba",
    "numpy",
    "openvino",
    "peft",
    "pyarrow",
    "PyStemmer",
    "rank-bm25",
    "tokenizers",
    "torch",
    "transformers",
)
"""Libraries that shape indexes, models and what is measured of them."""


def library_versions() -> dict[str, str]:
    """Return the versions of Python, of this project as ``dpr``, and of those `LIBRARIES` that are installed."""
    versions = {"python": platform.python_version(), "dpr": __version__}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
