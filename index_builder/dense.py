"""Vectors to a searchable index of one kind, with its recall measured where the kind approximates."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dpr.dense.faiss_index import FlatIndex
from dpr.dense.kinds import KINDS
from dpr.errors import ConfigError
from dpr.store.manifest import CurvePoint, DenseRecord
from dpr.types import FloatArray, Progress, no_progress
from index_builder.recall import Probes, least_recall, measured_curve

logger = logging.getLogger(__name__)

EXACT_KIND = "flat"

CHOSEN_KIND = "auto"
"""Stands for the kind that is fastest at the recall to reach."""

CANDIDATES = ("hnsw", "ivf-sq8")
"""Kinds that are built and measured where one is to be chosen."""

ALWAYS_EXACT = 20_000
"""Passages below which none is: an exact search takes a few milliseconds."""


def build_dense(
    kind: str,
    parameters: Mapping[str, int],
    vectors: FloatArray,
    path: Path,
    progress: Progress = no_progress,
    target_recall: float | None = None,
    questions: FloatArray | None = None,
) -> DenseRecord:
    """Build the index of a kind over vectors (P, D) into ``path`` and return its record for the manifest.

    With a ``target_recall``, the parameters of the search are the fastest measured ones that reach it, at 10 and at
    100, for passages and for the vectors of ``questions`` (Q, D); ``auto`` chooses the kind so, too. Where none reaches
    it the search is exact.
    """
    progress("dense", 0, len(vectors))
    if kind == CHOSEN_KIND and len(vectors) < ALWAYS_EXACT:
        kind = EXACT_KIND
    if kind == EXACT_KIND:
        record = DenseRecord(kind, parameters)
    elif target_recall is None:
        KINDS[kind].build(vectors, path, parameters)
        recall = Probes(vectors).recall_at(10, KINDS[kind].open(vectors, path, parameters))
        record = DenseRecord(kind, {**KINDS[kind].defaults, **parameters}, recall)
    else:
        record = _chosen(kind, parameters, vectors, path, target_recall, Probes(vectors, questions))
    progress("dense", len(vectors), len(vectors))
    return record


def _chosen(
    kind: str, parameters: Mapping[str, int], vectors: FloatArray, path: Path, target_recall: float, probes: Probes
) -> DenseRecord:
    """Build the kind, or each candidate for it, beside ``path``; leave the file of the fastest there."""
    exact = probes.point(EXACT_KIND, FlatIndex(vectors), {})
    curve: list[CurvePoint] = [exact]
    kinds = CANDIDATES if kind == CHOSEN_KIND else (kind,)
    for name in kinds:
        KINDS[name].build(vectors, _candidate(path, name), parameters)
        curve += measured_curve(name, parameters, vectors, _candidate(path, name), probes, target_recall)
    reaching = [point for point in curve if least_recall(point) >= target_recall]
    if kind != CHOSEN_KIND and len(reaching) > 1:
        reaching.remove(exact)  # a kind that was asked for is taken where it can be
    best = min(reaching, key=lambda point: point.milliseconds)
    if best is exact:
        logger.warning("an exact search it is: nothing faster reached the recall %s", target_recall)
    else:
        _candidate(path, best.kind).replace(path)
    for name in kinds:
        _candidate(path, name).unlink(missing_ok=True)
    recall = None if best is exact else best.recall_at_10
    return DenseRecord(best.kind, {**KINDS[best.kind].defaults, **best.parameters}, recall, tuple(curve))


def _candidate(path: Path, kind: str) -> Path:
    return path.with_name(f"{kind}-{path.name}")


def check_dense(kind: str, parameters: Mapping[str, int], target_recall: float | None = None) -> None:
    """Build an index of one vector, so that a wrong parameter is found before hours of encoding.

    Raises:
        ConfigError: the kind or one of its parameters is unknown, or out of range, or the recall no share.
    """
    if target_recall is not None and not 0 < target_recall <= 1:
        raise ConfigError(f"target_recall is {target_recall}; give a share above 0, such as 0.99")
    if kind == CHOSEN_KIND:
        if target_recall is None or parameters:
            raise ConfigError("the dense kind 'auto' takes a target_recall, and no parameters; give such as 0.99")
        return
    if kind == EXACT_KIND and target_recall is not None:
        raise ConfigError(
            "the dense kind 'flat' finds all, and a target_recall chooses how to search another; name one"
        )
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of vector index {kind!r}; choose {', '.join(KINDS)} or {CHOSEN_KIND}")
    with TemporaryDirectory() as folder:
        KINDS[kind].build(np.ones((1, 8), dtype=np.float32), Path(folder) / "dense.faiss", parameters)
