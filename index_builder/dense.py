"""Vectors to a searchable index of one kind, with its recall measured where the kind approximates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dpr.dense.exact import ExactIndex
from dpr.dense.kinds import KINDS
from dpr.errors import ConfigError
from dpr.store.manifest import DenseRecord
from dpr.types import FloatArray, Progress, VectorIndex, no_progress

EXACT_KIND = "flat"
PROBES = 200
"""Passages whose vectors are the questions of the recall."""

NEIGHBOURS = 10
"""Nearest passages that are looked for."""


def build_dense(
    kind: str,
    parameters: Mapping[str, int],
    vectors: FloatArray,
    path: Path,
    progress: Progress = no_progress,
) -> DenseRecord:
    """Build the index of ``kind`` over vectors (P, D) into ``path`` and return its record for the manifest."""
    kind_of_index = KINDS[kind]
    progress("dense", 0, len(vectors))
    kind_of_index.build(vectors, path, parameters)
    recall = None if kind == EXACT_KIND else measure_recall(kind_of_index.open(vectors, path, parameters), vectors)
    progress("dense", len(vectors), len(vectors))
    return DenseRecord(kind, {**kind_of_index.defaults, **parameters}, recall)


def check_dense(kind: str, parameters: Mapping[str, int]) -> None:
    """Build an index of one vector, so that a wrong parameter is found before hours of encoding.

    Raises:
        ConfigError: the kind or one of its parameters is unknown, or out of range.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of vector index {kind!r}; choose {' or '.join(KINDS)}")
    with TemporaryDirectory() as folder:
        KINDS[kind].build(np.ones((1, 8), dtype=np.float32), Path(folder) / "dense.faiss", parameters)


def measure_recall(index: VectorIndex, vectors: FloatArray) -> float:
    """Return the mean share of the exact ten nearest passages that an index finds.

    The questions are the vectors of up to 200 passages, evenly spread: the builder has no others.
    """
    probes = vectors[spread(len(vectors), PROBES)]
    wanted = ExactIndex(vectors).search(probes, NEIGHBOURS).rows
    found = index.search(probes, NEIGHBOURS).rows
    is_found = (wanted[:, :, np.newaxis] == found[:, np.newaxis, :]).any(axis=2)  # (probes, 10)
    return float(is_found[wanted >= 0].mean())


def spread(total: int, count: int) -> list[int]:
    """Return at most ``count`` of the rows 0 … ``total`` - 1, evenly spread, the first and the last among them."""
    return sorted({round(row) for row in np.linspace(0, total - 1, min(count, total))})
