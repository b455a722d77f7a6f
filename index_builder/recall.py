"""How much of the exact result a vector index finds, and how long it takes, by passages and questions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dpr.dense.faiss_index import FlatIndex
from dpr.dense.index_type import IndexType
from dpr.store.manifest import CurvePoint
from dpr.types import BoolArray, FloatArray, IntArray, VectorIndex

PROBES = 200
"""Passages whose vectors are asked, and as many questions, where there are some."""

DEPTHS = (10, 100)
"""How many of the nearest other passages are looked for."""

TIMED = 50
"""Probes that are asked one by one, for the time of a question."""


class Probes:
    """Passages, evenly spread, and the exact nearest others of each; and questions (Q, D), with their nearest.

    Questions are further from all passages than these are from each other, and what is nearest to them is harder to
    find: recall measured by passages alone says little of them.
    """

    def __init__(self, vectors: FloatArray, questions: FloatArray | None = None) -> None:
        own = np.array(spread(len(vectors), PROBES))
        self._passages = len(own)
        self._asked: FloatArray = vectors[own]
        self._own: IntArray = own
        if questions is not None:
            self._asked = np.concatenate([self._asked, questions])
            self._own = np.concatenate([own, np.full(len(questions), -1)])
        self._wanted = self._nearest(FlatIndex(vectors), DEPTHS[-1])

    def recall_at(self, depth: int, index: VectorIndex) -> float:
        """Return the mean share of the passages' nearest others that an index finds, of so many as ``depth``."""
        return self._shares(index, depth)[0]

    def point(self, kind: str, index: VectorIndex, parameters: Mapping[str, int]) -> CurvePoint:
        """Return what an index finds at parameters of the search, and how long a question takes."""
        (at_10, question_at_10), (at_100, question_at_100) = (self._shares(index, depth) for depth in DEPTHS)
        timed = self._asked[-TIMED:]
        began = time.perf_counter()
        for row in range(len(timed)):
            index.search(timed[row : row + 1], DEPTHS[-1])
        milliseconds = round((time.perf_counter() - began) / len(timed) * 1000, 3)
        return CurvePoint(kind, parameters, at_10, at_100, milliseconds, question_at_10, question_at_100)

    def _nearest(self, index: VectorIndex, depth: int) -> IntArray:
        """Return the rows that an index finds nearest to each probe, without the probe itself, (probes, depth)."""
        found = index.search(self._asked, depth + 1).rows
        is_own = found == self._own[:, np.newaxis]
        order = np.argsort(is_own, axis=1, kind="stable")  # the probe itself, where it was found, comes last
        return np.take_along_axis(np.where(is_own, -1, found), order, axis=1)[:, :-1]

    def _shares(self, index: VectorIndex, depth: int) -> tuple[float, float | None]:
        """Return the mean shares of the nearest ``depth`` that are found, of passages and, if any, of questions.

        Each depth is a search of its own: one for more rows goes further, and so finds more of the first ten.
        """
        wanted, found = self._wanted[:, :depth], self._nearest(index, depth)
        is_found = (wanted[:, :, np.newaxis] == found[:, np.newaxis, :]).any(axis=2)
        passages, questions = slice(self._passages), slice(self._passages, None)
        of_questions = _mean(is_found[questions], wanted[questions]) if len(wanted) > self._passages else None
        return _mean(is_found[passages], wanted[passages]), of_questions


def _mean(is_found: BoolArray, wanted: IntArray) -> float:
    return float(is_found[wanted >= 0].mean()) if (wanted >= 0).any() else 1.0


def measured_curve(kind: IndexType, vectors: FloatArray, path: Path, probes: Probes, target: float) -> list[CurvePoint]:
    """Return what an index that was built finds at ever wider searches, as far as the first that reaches the target."""
    points = []
    for series in kind.searches(len(vectors)):
        for search in series:
            points.append(probes.point(search.name, search.open(vectors, path), search.parameters))
            if least_recall(points[-1]) >= target:
                break
    return points


def least_recall(point: CurvePoint) -> float:
    """Return the lowest of a point's recalls."""
    recalls = (point.recall_at_10, point.recall_at_100, point.question_recall_at_10, point.question_recall_at_100)
    return min(recall for recall in recalls if recall is not None)


def spread(total: int, count: int) -> list[int]:
    """Return at most ``count`` of the rows 0 … ``total`` - 1, evenly spread, the first and the last among them."""
    return sorted({round(row) for row in np.linspace(0, total - 1, min(count, total))})
