"""A cache of converted OpenVINO graphs on disk, so that later processes need not trace a module again.

An entry is a folder with OpenVINO's two files and their checksums. It appears by one rename, so readers see all of it
or nothing. Errors are logged and not raised: a graph that is not in the cache is converted again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from dpr.durable import UNFINISHED, write_atomically
from dpr.errors import DiskFullError
from dpr.models.checkpoint import file_sha256, first_line

FOLDER_VARIABLE = "DPR_OPENVINO_CACHE"
ENTRIES_KEPT = 8
"""An entry is as large as the fp32 weights; the least recently used ones are removed."""

_GRAPH, _WEIGHTS, _CHECKSUMS = "model.xml", "model.bin", "checksums.json"

logger = logging.getLogger(__name__)


def default_folder() -> Path:
    """Return ``$DPR_OPENVINO_CACHE``, else ``dpr/openvino`` in the user's cache folder (``$XDG_CACHE_HOME``)."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        return Path(folder)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "dpr" / "openvino"


def entry_name(*keys: str) -> str:
    """Return the name of the entry for the keys of a graph: model, versions, inputs."""
    return hashlib.sha256(json.dumps(keys).encode()).hexdigest()


def load_graph(openvino: Any, entry: Path) -> Any | None:
    """Return the graph of an entry; None if there is none or it is damaged."""
    if not entry.is_dir():
        return None
    try:
        _check(entry)
        graph = openvino.Core().read_model(entry / _GRAPH)
    except (OSError, ValueError, RuntimeError) as error:
        logger.warning("the cached OpenVINO model %s is damaged (%s); converting it again", entry, first_line(error))
        return None
    _touch(entry)
    return graph


def save_graph(openvino: Any, graph: Any, entry: Path) -> None:
    """Write a graph in fp32, replacing an existing entry, and remove the oldest entries."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=entry.parent) as folder:
            unfinished = Path(folder) / entry.name
            unfinished.mkdir()
            openvino.save_model(graph, unfinished / _GRAPH, compress_to_fp16=False)
            openvino.Core().read_model(unfinished / _GRAPH)  # a disk that ran full shows here
            write_atomically(unfinished / _CHECKSUMS, json.dumps(_checksums(unfinished)))
            shutil.rmtree(entry, ignore_errors=True)
            unfinished.rename(entry)
        logger.info("the converted model is kept in %s; later starts on this machine load it from there", entry.parent)
        _remove_oldest(entry.parent)
    except (OSError, RuntimeError, DiskFullError) as error:
        logger.warning(
            "the OpenVINO model cannot be stored in %s (%s), so it is converted at each start; "
            "set %s to a writable folder",
            entry.parent,
            first_line(error),
            FOLDER_VARIABLE,
        )


def _check(entry: Path) -> None:
    if json.loads((entry / _CHECKSUMS).read_text(encoding="utf-8")) != _checksums(entry):
        raise ValueError("its files are not those that were written")


def _checksums(entry: Path) -> dict[str, str]:
    return {name: file_sha256(entry / name) for name in (_GRAPH, _WEIGHTS)}


def _touch(entry: Path) -> None:
    try:
        os.utime(entry)
    except OSError:
        logger.debug("%s belongs to another user, so its time of use is not updated", entry)


def _remove_oldest(folder: Path) -> None:
    """Remove all but the newest entries, including unfinished ones of killed processes."""
    entries = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: -path.stat().st_mtime)
    for entry in entries[ENTRIES_KEPT:]:
        shutil.rmtree(entry, ignore_errors=True)
