"""Names of models: a pair of encoders, one encoder of a pair, or two models as ``QUESTION,PASSAGE``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from dpr.config import BUNDLED_MODELS
from dpr.models.checkpoint import next_base, resolve

logger = logging.getLogger(__name__)

PAIR_CONFIG = "encoder.json"
ROLES = ("question", "passage")


def split_name(name: str) -> list[str]:
    """Return the name itself, or the two names of ``QUESTION,PASSAGE``."""
    is_pair = "," in name and not Path(name).exists()
    return [model_name.strip() for model_name in name.split(",", 1)] if is_pair else [name]


def question_encoder(name: str) -> str:
    """Return and log the name of a pair's question encoder; return any other name unchanged.

    Raises:
        ModelError: the name is no model.
    """
    first, *more_names = split_name(name)
    directory = resolve(first)
    if (directory / PAIR_CONFIG).is_file():
        by_name = Path(first) / ROLES[0]
        is_local = by_name.is_dir() or (BUNDLED_MODELS / by_name).is_dir()
        first = str(by_name if is_local else directory / ROLES[0])
    elif not more_names:
        return name
    logger.info("%s is a pair; using its question encoder, %s", name, first)
    return first


def encoder_directories(name: str) -> tuple[Path, ...]:
    """Return the directories of the encoders of a name: one, or those of questions and of passages.

    Raises:
        ModelError: the name is no model.
    """
    directories = [resolve(model_name) for model_name in split_name(name)]
    [first, *_] = directories
    if (first / PAIR_CONFIG).is_file():
        return tuple(first / role for role in ROLES if (first / role).is_dir())
    return tuple(directories)


def all_directories(name: str) -> set[Path]:
    """Return the resolved directories of a model: its own, its pair's, its encoders', and those of their bases.

    Raises:
        ModelError: the name, or that of a base, is no model.
    """
    return {path.resolve() for model_name in split_name(name) for path in _with_bases(resolve(model_name))}


def _with_bases(directory: Path) -> Iterator[Path]:
    yield directory
    if (directory.parent / PAIR_CONFIG).is_file():
        yield directory.parent
    inner = [directory / role for role in ROLES if (directory / role).is_dir()]
    yield from inner
    for encoder in inner or [directory]:
        base = next_base(encoder)
        if base is not None:
            yield from _with_bases(base)
