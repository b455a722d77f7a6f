"""The kinds of readers that run on this machine, one entry each.

A reader is named by its folder or hub name, or by ``KIND:MODEL``. Commands and the service know no kind by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpr.errors import ConfigError

if TYPE_CHECKING:
    from dpr.types import Reader


@dataclass(frozen=True, slots=True)
class ReaderEntry:
    """A kind of reader.

    Attributes:
        summary: what it is, in a few words.
        load: loads a model by its folder or hub name, with the precision and the backend of `dpr.models.backends`.
    """

    summary: str
    load: Callable[[str, str, str], Reader]


def _load_extractive(model: str, precision: str, backend: str) -> Reader:
    from dpr.reader.extractive.reader import load_reader

    return load_reader(model, precision, backend=backend)


READERS: dict[str, ReaderEntry] = {
    "extractive": ReaderEntry("spans by a question-answering model", _load_extractive),
}
"""Each kind of reader by its name."""

DEFAULT_KIND = "extractive"


def kind_and_model(name: str) -> tuple[str, str]:
    """Return the kind of a reader, and the name of its model.

    Raises:
        ConfigError: the kind is unknown.
    """
    kind, colon, model = name.partition(":")
    if colon and kind in READERS:
        return kind, model
    if colon and not Path(name).exists():
        raise ConfigError(f"unknown kind of reader {kind!r}; choose {', '.join(READERS)}, or the name of a model alone")
    return DEFAULT_KIND, name


def load_reader(name: str, precision: str = "auto", backend: str = "auto") -> Reader:
    """Load a reader by its name, see `kind_and_model`.

    Raises:
        ModelError: it cannot be loaded.
        ConfigError: the kind, the precision, the backend or a setting of the reader is unknown.
    """
    kind, model = kind_and_model(name)
    return READERS[kind].load(model, precision, backend)
