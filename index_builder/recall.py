"""How much of the exact result a vector index finds, and how long it takes, measured on its own passages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from dpr.dense.faiss_index import FlatIndex
from dpr.dense.kinds import KINDS, Parameters
from dpr.store.manifest import CurvePoint
from dpr.types import FloatArray, IntArray, VectorIndex

PROBES = 200
"""Passages whose vectors are the questions: the builder has no others."""

DEPTHS = (10, 100)
"""How many of the nearest other passages are looked for."""

TIMED = 50
"""Probes that are asked one by one, for the time of a question."""


class Probes:
    """Passages, evenly spread, and the exact nearest others of each."""

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors = vectors
        self._own = np.array(spread(len(vectors), PROBES))
        self._wanted = self._others(FlatIndex(vectors))

    def recall(self, index: VectorIndex) -> dict[int, float]:
        """Return the mean share of the nearest others that an index finds, by how many are looked for."""
        return self._shares(self._others(index))

    def point(self, kind: str, index: VectorIndex, parameters: Parameters) -> CurvePoint:
        """Return what an index finds at parameters of the search, and how long a question takes."""
        shares = self.recall(index)
        began = time.perf_counter()
        for row in self._own[:TIMED]:
            index.search(self._vectors[row : row + 1], DEPTHS[-1])
        milliseconds = (time.perf_counter() - began) / min(TIMED, len(self._own)) * 1000
        return CurvePoint(kind, parameters, shares[10], shares[100], round(milliseconds, 3))

    def _others(self, index: VectorIndex) -> IntArray:
        """Return the rows that an index finds nearest to each probe, without the probe itself, (probes, 100)."""
        found = index.search(self._vectors[self._own], DEPTHS[-1] + 1).rows
        is_own = found == self._own[:, np.newaxis]
        order = np.argsort(is_own, axis=1, kind="stable")  # the probe itself, where it was found, comes last
        return np.take_along_axis(np.where(is_own, -1, found), order, axis=1)[:, :-1]

    def _shares(self, found: IntArray) -> dict[int, float]:
        shares = {}
        for depth in DEPTHS:
            wanted = self._wanted[:, :depth]
            is_found = (wanted[:, :, np.newaxis] == found[:, np.newaxis, :depth]).any(axis=2)
            shares[depth] = float(is_found[wanted >= 0].mean()) if (wanted >= 0).any() else 1.0
        return shares


def measured_curve(
    kind: str, parameters: Parameters, vectors: FloatArray, path: Path, probes: Probes, target: float
) -> list[CurvePoint]:
    """Return what an index that was built finds at ever wider searches, as far as the first that reaches the target."""
    points = []
    for ladder in _ladders(kind, {**KINDS[kind].defaults, **parameters}, len(vectors)):
        for setting in ladder:
            chosen = {**parameters, **setting}
            points.append(probes.point(kind, KINDS[kind].open(vectors, path, chosen), chosen))
            if least_recall(points[-1]) >= target:
                break
    return points


def least_recall(point: CurvePoint) -> float:
    """Return the lower of a point's recalls."""
    return min(point.recall_at_10, point.recall_at_100)


def spread(total: int, count: int) -> list[int]:
    """Return at most ``count`` of the rows 0 … ``total`` - 1, evenly spread, the first and the last among them."""
    return sorted({round(row) for row in np.linspace(0, total - 1, min(count, total))})


def _ladders(kind: str, parameters: Parameters, total: int) -> Iterator[Iterable[dict[str, int]]]:
    """Yield series of search parameters, each of ever wider searches."""
    if "ef_search" in parameters:
        yield ({"ef_search": 2**power} for power in range(4, 12))
    if "nprobe" in parameters:
        lists = parameters["nlist"] or round(4 * total**0.5)
        widest = [2**power for power in range(lists.bit_length() + 1) if 2**power < lists]
        for rerank in (1, 4, 16) if kind == "ivf-pq" else (1,):
            yield ({"nprobe": nprobe, "rerank": rerank * parameters["rerank"]} for nprobe in (*widest, lists))
