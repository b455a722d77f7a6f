"""Which questions of a benchmark a model was trained on, by the record of its training."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpr.benchmark.words import Bilingual, phrase
from dpr.data.source_hash import source_hash
from dpr.errors import DPRError, ModelError
from dpr.types import Example

logger = logging.getLogger(__name__)

RECORD = "training.json"
_SOURCE = re.compile(r"(?P<kind>[a-z]+):(?P<path>.*?)(?P<articles>@-?\d*:-?\d*)?( again)*")

Read = Callable[[str], Iterable[Example]]
"""Reads the questions of ``kind:PATH@FIRST:LAST``."""


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The ids of the questions that a model was certainly trained on, and sentences that a reader should know."""

    questions: frozenset[str] = frozenset()
    warnings: tuple[Bilingual, ...] = ()


def read_record(directory: Path) -> dict[str, Any]:
    """Return the record of a model's training; empty if the model has none, or one that is no JSON object."""
    path = directory / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read (%s), so nothing is known of what the model was trained on", path, error)
        return {}
    return record if isinstance(record, dict) else {}


def training_record(model: str) -> dict[str, Any]:
    """Return the training record of a model by its name, those of two encoders by their directories.

    It is empty for a model that is neither a folder nor a repository on the hub.
    """
    from dpr.models.checkpoint import resolve
    from dpr.models.pair import split_name

    try:
        return {str(directory): read_record(directory) for directory in map(resolve, split_name(model))}
    except ModelError as error:
        logger.warning("nothing is known of what the model %s was trained on: %s", model, error)
        return {}


def recorded_sources(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the training sets of a record by hash, those of averaged models and of earlier trainings included."""
    return {entry["sha256"]: {**entry, "name": name} for name, entry in _sources(record) if "sha256" in entry}


def _sources(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in record.items():
        if not isinstance(value, Mapping):
            continue
        if key == "sources":
            yield from ((name, entry) for name, entry in value.items() if isinstance(entry, Mapping))
        else:
            yield from _sources(value)


def trained_on(
    model: str, record: Mapping[str, Any], source: str, examples: Iterable[Example], read: Read
) -> TrainedOn:
    """Return which questions of a benchmark a model was trained on.

    A training set is known by the hash of its questions. A set from the same file, all of it or a range of its
    articles, is read again and counts where its hash is the recorded one: its questions are then certain. A set whose
    name is of the same data set, but whose questions cannot be read again, such as mined negatives, is a warning.

    Args:
        model: the model's name.
        record: the record of the training; empty if there is none.
        source: where the benchmark's questions come from, ``kind:PATH@FIRST:LAST``.
        examples: the benchmark's questions.
        read: reads the questions of a source.
    """
    sources, questions = recorded_sources(record), list(examples)
    ours = _SOURCE.fullmatch(source)
    if not sources or ours is None:
        return TrainedOn()
    ids = {example.question.id for example in questions}
    trained: set[str] = set()
    doubtful: list[Bilingual] = []
    ranges: dict[str, tuple[str, frozenset[str]]] = {}
    for sha256, entry in sources.items():
        theirs = _SOURCE.fullmatch(entry["name"])
        articles = (theirs["articles"] or "") if theirs else ""
        if articles not in ranges:
            ranges[articles] = _hash_and_ids(f"{ours['kind']}:{ours['path']}{articles}", read)
        if ranges[articles][0] == sha256:
            trained |= ranges[articles][1] & ids
        elif theirs and _names_alike(theirs, ours):
            doubtful.append(phrase("training source", {"name": entry["name"], "number": entry.get("questions", 0)}))
    return TrainedOn(frozenset(trained), tuple(_warnings(model, len(trained), len(ids), doubtful)))


def _hash_and_ids(source: str, read: Read) -> tuple[str, frozenset[str]]:
    """Return the hash and the ids of a source's questions; an empty hash if it has no such articles."""
    try:
        examples = list(read(source))
    except DPRError:
        return "", frozenset()
    return source_hash(examples), frozenset(example.question.id for example in examples)


def _names_alike(theirs: re.Match[str], ours: re.Match[str]) -> bool:
    """Return whether a training set may be of the benchmark's data set: by its kind, or by a word of its file name."""
    kind, stem = ours["kind"], Path(theirs["path"]).stem.lower()
    if theirs["kind"] == kind:
        return Path(theirs["path"]).name == Path(ours["path"]).name
    return re.search(rf"(?<![a-z]){re.escape(kind)}", stem) is not None


def _warnings(model: str, trained: int, count: int, doubtful: list[Bilingual]) -> Iterator[Bilingual]:
    if trained:
        yield phrase("trained on questions", {"model": model, "number": trained, "count": count})
    if doubtful:
        names = Bilingual(", ".join(entry.english for entry in doubtful), ", ".join(entry.korean for entry in doubtful))
        yield phrase("may be trained on", {"model": model, "sources": names})
